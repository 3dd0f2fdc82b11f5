// fields prints the numbers under which the fields of Kubernetes' types travel in protobuf, with what decoding into JSON
// must know: the table src/sim/api/protobuf/fields.txt. Run with: go run ./fields >../../../src/sim/api/protobuf/fields.txt
package main

import (
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// special types have a JSON form of their own.
var special = map[string]string{
	"resource.Quantity":    "quantity",
	"v1.Time":              "time",
	"v1.MicroTime":         "time",
	"v1.Duration":          "duration",
	"intstr.IntOrString":   "intOrString",
	"runtime.RawExtension": "raw",
	"v1.FieldsV1":          "raw",
}

var served = map[string]bool{
	"v1": true, "apps/v1": true, "batch/v1": true, "autoscaling/v1": true, "autoscaling/v2": true, "policy/v1": true,
	"networking.k8s.io/v1": true, "discovery.k8s.io/v1": true, "coordination.k8s.io/v1": true, "events.k8s.io/v1": true,
	"rbac.authorization.k8s.io/v1": true, "storage.k8s.io/v1": true, "scheduling.k8s.io/v1": true, "node.k8s.io/v1": true,
	"authentication.k8s.io/v1": true, "authorization.k8s.io/v1": true, "certificates.k8s.io/v1": true,
	"admissionregistration.k8s.io/v1": true, "flowcontrol.apiserver.k8s.io/v1": true, "resource.k8s.io/v1": true,
}

var messages = map[string][]string{}

func name(t reflect.Type) string {
	path := strings.TrimPrefix(strings.TrimPrefix(t.PkgPath(), "k8s.io/api/"), "k8s.io/apimachinery/pkg/apis/")
	return strings.ReplaceAll(path, "/", ".") + "." + t.Name()
}

// kind says how a value of a type travels.
func kind(t reflect.Type) string {
	if found, ok := special[t.String()]; ok {
		return found
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kind(t.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int32, reflect.Int64, reflect.Int, reflect.Uint8, reflect.Uint32:
		return "int"
	case reflect.Float64:
		return "double"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		if t.Name() != "" {
			return "items:" + kind(t.Elem())
		}
	case reflect.Struct:
		walk(t)
		return name(t)
	}
	fmt.Fprintln(os.Stderr, "unknown type", t)
	os.Exit(1)
	return ""
}

func walk(t reflect.Type) {
	if _, ok := messages[name(t)]; ok {
		return
	}
	messages[name(t)] = nil
	var lines []string
	for i := range t.NumField() {
		field := t.Field(i)
		tag := strings.Split(field.Tag.Get("protobuf"), ",")
		if len(tag) < 2 {
			continue
		}
		json := strings.Split(field.Tag.Get("json"), ",")
		flags := ""
		if strings.Contains(field.Tag.Get("json"), "omitempty") || strings.Contains(field.Tag.Get("json"), "omitzero") {
			flags += "?"
		}
		inner := field.Type
		switch {
		case inner.Kind() == reflect.Pointer:
			flags += "*"
			inner = inner.Elem()
		case inner.Kind() == reflect.Slice && inner.Elem().Kind() != reflect.Uint8 && (inner.Name() == "" || !strings.Contains(field.Tag.Get("protobuf"), ",opt,")):
			flags += "[]"
			inner = inner.Elem()
		case inner.Kind() == reflect.Map:
			flags += "{}"
			inner = inner.Elem()
		}
		shown := json[0]
		if shown == "" {
			shown = "."
		}
		if flags == "" {
			flags = "-"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s", tag[1], shown, flags, kind(inner)))
	}
	messages[name(t)] = lines
}

func main() {
	var kinds []string
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		version, known := gvk.GroupVersion().String(), gvk.Version != runtime.APIVersionInternal
		isMeta := strings.HasSuffix(t.PkgPath(), "apis/meta/v1")
		if !known || !served[version] || strings.HasSuffix(gvk.Kind, "List") || (isMeta && version != "v1") {
			continue
		}
		if gvk.Kind == "WatchEvent" {
			continue
		}
		walk(t)
		kinds = append(kinds, fmt.Sprintf("@ %s %s %s", version, gvk.Kind, name(t)))
	}
	sort.Strings(kinds)
	fmt.Println("# Written by tests/served/go/fields from Kubernetes' Go types; do not edit. `@ apiVersion kind message`, then messages:")
	fmt.Println("# number, JSON name (. when inlined), flags (? left out when zero, * pointer, [] list, {} map), type of the value.")
	for _, line := range kinds {
		fmt.Println(line)
	}
	var names []string
	for name := range messages {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Println("= " + name)
		for _, line := range messages[name] {
			fmt.Println(line)
		}
	}
}
