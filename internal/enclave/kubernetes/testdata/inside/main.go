// Command inside lists the enclaves of the cluster in a pod of which it runs: it is told nothing of where that is.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
)

func main() {
	found, err := kubernetes.New(kubernetes.Options{}).ListEnclaves(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for i := range found {
		fmt.Println(found[i].Name)
	}
}
