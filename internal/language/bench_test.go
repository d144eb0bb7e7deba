package language

import (
	"context"
	"fmt"
	"os"
	"path"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

// BenchmarkInterpret shows how the cost of interpreting grows with the plan: the time for a service should stay the same.
func BenchmarkInterpret(b *testing.B) {
	for _, count := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("services=%d", count), func(b *testing.B) {
			source := fmt.Sprintf(`
def run(plan):
    for i in range(%d):
        service = plan.add_service(
            name = "service-%%d" %% i,
            config = ServiceConfig(
                image = "example/service:1",
                ports = {"http": PortSpec(number = 8080, application_protocol = "http")},
                env_vars = {"INDEX": str(i), "BEFORE": "" if i == 0 else "service-%%d" %% (i - 1)},
            ),
        )
        plan.exec(service_name = service.name, recipe = ExecRecipe(command = ["/service", service.ip_address]))
`, count)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := interpret(b, source, Request{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/service")
		})
	}
}

// BenchmarkPublished interprets real packages with default arguments, opening them included, as a plan does: for the first
// time, and again when their compiled form is kept. They are taken from the vendor folder that SUNDOG_TEST_PACKAGES names.
func BenchmarkPublished(b *testing.B) {
	vendor := os.Getenv("SUNDOG_TEST_PACKAGES")
	if vendor == "" {
		b.Skip("SUNDOG_TEST_PACKAGES names no vendor folder with published packages")
	}
	for _, name := range []string{
		"github.com/ethpandaops/ethereum-package", "github.com/xavier-romero/kurtosis-cdk-erigon", "github.com/XRPL-Commons/xrpl-confluence",
		"github.com/justmert/kurtosis-orbit", "github.com/EspressoSystems/espresso-optimism-package", "github.com/kurtosis-tech/near-package",
	} {
		interpretFrom := func(b *testing.B, cache string) int {
			b.Helper()
			opened, err := locator.New(locator.Options{VendorDir: vendor, CacheDir: cache}).Open(context.Background(), name, "")
			if err != nil {
				b.Fatal(err)
			}
			made, err := Interpret(context.Background(), opened, Request{})
			if err != nil {
				b.Fatal(err)
			}
			return len(made.Instructions)
		}
		b.Run(path.Base(name)+"/again", func(b *testing.B) {
			cache := b.TempDir()
			instructions := interpretFrom(b, cache)
			b.ReportAllocs()
			for b.Loop() {
				interpretFrom(b, cache)
			}
			b.ReportMetric(float64(instructions), "instructions")
		})
		b.Run(path.Base(name)+"/first", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				cache := b.TempDir()
				b.StartTimer()
				interpretFrom(b, cache)
			}
		})
	}
}
