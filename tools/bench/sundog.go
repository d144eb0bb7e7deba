package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// probePort is where the probe listens.
const probePort = 8080

// The packages of the benchmark: one batch of services, and services one after another.
const (
	batchPackage = `def run(plan, image, services, version):
    plan.add_services({
        "s{}".format(i): ServiceConfig(image = image, env_vars = {"VERSION": version if i == 0 else "0"})
        for i in range(services)
    })
`
	// portPackage has a port for each service, as a Service has on Kubernetes; nobody waits for it.
	portPackage = `def run(plan, image, services, version):
    plan.add_services({
        "s{}".format(i): ServiceConfig(
            image = image,
            env_vars = {"VERSION": version if i == 0 else "0"},
            ports = {"main": PortSpec(number = 8080, wait = None)},
        )
        for i in range(services)
    })
`
	sequencePackage = `def run(plan, image, services, version):
    for i in range(services):
        plan.add_service(name = "s{}".format(i), config = ServiceConfig(
            image = image,
            env_vars = {"VERSION": version if i == 0 else "0"},
            ports = {"main": PortSpec(number = 8080, wait = "30s")},
        ))
`
)

// writePackage writes a package into a folder.
func writePackage(folder, script string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "kurtosis.yml"), []byte("name: example.com/sundog/bench\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "main.star"), []byte(script), 0o600)
}

// engine is Sundog's engine in a process of its own: the companion command.
type engine struct {
	program
	binary         string
	at             place
	enclave, image string
	script         string
}

func (e *engine) prepare(_ context.Context, folder string) error {
	e.folder, e.environment = folder, isolated(folder, e.at, "SUNDOG_OWNER=bench")
	return writePackage(filepath.Join(folder, "package"), e.script)
}

func (e *engine) apply(ctx context.Context, w workload) error {
	arguments := fmt.Sprintf(`{"image": %q, "services": %d, "version": "%d"}`, e.image, w.services, w.version)
	words := []string{"run", "package", "--enclave", e.enclave, "--args", arguments, "--quiet"}
	if e.at.kubeconfig == "" {
		words = append(words, "--parallelism", strconv.Itoa(atOnce))
	}
	return e.run(ctx, e.binary, words...)
}

func (e *engine) destroy(ctx context.Context) error {
	return e.run(ctx, e.binary, "enclave", "rm", e.enclave)
}
