// client uses a served cluster as Go programs do: client-go with its defaults (protobuf), an informer, logs.
// It prints `ok` at its end, and fails with what went wrong.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	check(err)
	client, err := kubernetes.NewForConfig(config)
	check(err)
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	check(err)
	if len(nodes.Items) != 3 {
		log.Fatalf("%d nodes", len(nodes.Items))
	}

	running := make(chan string, 10)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace("default"))
	informer := factory.Core().V1().Pods().Informer()
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(_, object any) {
		pod := object.(*corev1.Pod)
		if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil {
			running <- pod.Name
		}
	}})
	check(err)
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		log.Fatal("the informer did not sync")
	}

	replicas, labels := int32(1), map[string]string{"app": "go"}
	container := corev1.Container{Name: "app", Image: "busybox:1.37", Command: []string{"sh", "-c", "echo from go; sleep 1000"}}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "go"}, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{container}}},
	}}
	_, err = client.AppsV1().Deployments("default").Create(ctx, deployment, metav1.CreateOptions{})
	check(err)
	select {
	case name := <-running:
		logs, err := client.CoreV1().Pods("default").GetLogs(name, &corev1.PodLogOptions{}).Stream(ctx)
		check(err)
		text, err := io.ReadAll(logs)
		check(err)
		if !strings.Contains(string(text), "from go") {
			log.Fatalf("the log says %q", text)
		}
	case <-ctx.Done():
		log.Fatal("no pod runs")
	}

	scale, err := client.AppsV1().Deployments("default").GetScale(ctx, "go", metav1.GetOptions{})
	check(err)
	scale.Spec.Replicas = 0
	_, err = client.AppsV1().Deployments("default").UpdateScale(ctx, "go", scale, metav1.UpdateOptions{})
	check(err)
	stored, err := client.AppsV1().Deployments("default").Get(ctx, "go", metav1.GetOptions{})
	check(err)
	if *stored.Spec.Replicas != 0 {
		log.Fatalf("%d replicas are stored", *stored.Spec.Replicas)
	}
	grace := int64(0)
	check(client.AppsV1().Deployments("default").Delete(ctx, "go", metav1.DeleteOptions{GracePeriodSeconds: &grace}))
	fmt.Println("ok")
}
