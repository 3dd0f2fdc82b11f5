// Checks a Tekton Task strictly, with the types and the validation of Tekton itself. Called by ci/lint-integrations.
package main

import (
	"context"
	"fmt"
	"os"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	bytes, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var task v1.Task
	if err := yaml.UnmarshalStrict(bytes, &task); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	task.SetDefaults(context.Background())
	if err := task.Validate(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("a valid Task:", task.Name)
}
