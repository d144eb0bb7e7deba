package conformance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

var (
	update = flag.Bool("update", false, "write the expectations anew; every change has to be read against the reference")
	table  = flag.Bool("table", false, "print a table of the areas")
)

func allCases(t testing.TB) []*conformanceCase {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	cases := make([]*conformanceCase, len(paths))
	for i, path := range paths {
		if cases[i], err = readCase(path); err != nil {
			t.Fatal(err)
		}
	}
	return cases
}

func TestConformance(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	passed, total := map[string]int{}, map[string]int{}
	t.Cleanup(func() {
		if *table {
			printTable(passed, total)
		}
	})
	for _, c := range allCases(t) {
		total[c.area]++
		t.Run(c.area+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
			if !t.Failed() {
				mutex.Lock()
				defer mutex.Unlock()
				passed[c.area]++
			}
		})
	}
}

func (c *conformanceCase) run(t *testing.T) {
	t.Helper()
	expected, err := c.expectation()
	if err != nil {
		t.Fatal(err)
	}
	name, got := c.show(t)
	if *update {
		if name != expected || got != c.extra[expected] {
			if err := c.rewrite(name, got); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	switch {
	case expected == "":
		t.Fatal("the case has no expectation")
	case name != expected:
		t.Fatalf("it gives %s instead of %s:\n%s", name, expected, got)
	case got != c.extra[expected]:
		t.Errorf("%s differs. It is\n%s\nand should be\n%s", name, got, c.extra[expected])
	}
}

func printTable(passed, total map[string]int) {
	areas := make([]string, 0, len(total))
	for area := range total {
		areas = append(areas, area)
	}
	slices.Sort(areas)
	all, good := 0, 0
	fmt.Fprintf(os.Stdout, "%-20s %6s %7s %7s\n", "area", "cases", "passed", "failed")
	for _, area := range areas {
		fmt.Fprintf(os.Stdout, "%-20s %6d %7d %7d\n", area, total[area], passed[area], total[area]-passed[area])
		all, good = all+total[area], good+passed[area]
	}
	fmt.Fprintf(os.Stdout, "%-20s %6d %7d %7d\n", "all", all, good, all-good)
}

// TestDeterminism interprets every package several times, at once, and compares the plans.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	for _, c := range allCases(t) {
		if c.extra[planFile] == "" && c.extra[resultFile] == "" {
			continue
		}
		t.Run(c.area+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			const times = 3
			digests := make([]string, times)
			var group sync.WaitGroup
			for i := range times {
				group.Go(func() {
					made, err := c.interpret(t.Context(), t, false)
					if err != nil {
						t.Error(err)
						return
					}
					if digests[i], err = plan.KeyedDigest(nil, made); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if digests[0] != digests[1] || digests[1] != digests[2] {
				t.Errorf("the plans differ: %v", digests)
			}
		})
	}
}
