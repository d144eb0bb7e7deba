package language

import (
	"strings"
	"testing"
)

// TestReference shows that everything that can be called is in the reference, with every name that it has or had.
func TestReference(t *testing.T) {
	t.Parallel()
	text := Reference()
	for _, described := range Descriptors() {
		_, part, found := strings.Cut(text, "\n### "+described.qualified()+"\n")
		if !found {
			t.Errorf("%s is not in the reference", described.Name)
			continue
		}
		part, _, _ = strings.Cut(part, "\n### ")
		if !strings.Contains(part, described.Doc) {
			t.Errorf("%s is not explained", described.Name)
		}
		for _, parameter := range described.Parameters {
			if parameter.Name == descriptionName {
				continue
			}
			for _, name := range append([]string{parameter.Name}, parameter.Aliases...) {
				if !strings.Contains(part, "`"+name+"`") {
					t.Errorf("%s: %s is not in the reference", described.Name, name)
				}
			}
		}
	}
	if !strings.HasPrefix(text, "---\npage_title: ") || strings.Count(text, "\n## ") < 8 {
		t.Error("the head or a section is missing")
	}
}

// TestReferenceNamesTheLimits shows that the hand-written part says what holds.
func TestReferenceNamesTheLimits(t *testing.T) {
	t.Parallel()
	if DefaultSteps != 500_000_000 || DefaultMemory != 2<<30 || DefaultTime.Minutes() != 5 {
		t.Error("the limits in reference_preamble.md are out of date")
	}
}
