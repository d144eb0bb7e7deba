package forker_test

import (
	"fmt"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
)

// BenchmarkPlan shows how the cost of planning a fork grows with the inventory.
func BenchmarkPlan(b *testing.B) {
	for _, count := range []int{100, 1000, 3000} {
		b.Run(fmt.Sprintf("resources=%d", count), func(b *testing.B) {
			resources := make(map[string]forker.Resource, count)
			for i := range count {
				name := fmt.Sprintf("queue-%d", i)
				resources["sqs/queue/"+name] = forker.Resource{
					Service: "sqs", Type: "queue", Name: name, Region: "eu-west-1",
					ARN: "arn:aws:sqs:eu-west-1:111111111111:" + name, Digest: "sha256:" + name,
				}
			}
			rules := []forker.Rule{
				{Match: "rds/*", Strategy: forker.Substitute},
				{Match: "sqs/queue/queue-1*", Strategy: forker.Skip},
				{Match: "sqs/*", Strategy: forker.Clone},
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := forker.NewPlan(forker.PlanRequest{Fork: "staging", Resources: resources, Rules: rules}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/resource")
		})
	}
}
