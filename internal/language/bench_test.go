package language

import (
	"fmt"
	"testing"
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
