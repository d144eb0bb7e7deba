package plan

import (
	"strings"
	"testing"
)

func TestKeyedDigest(t *testing.T) {
	spec := ServiceSpec{Name: "api", Env: map[string]string{"A": "1", "B": "2"}, VolatileEnv: map[string]string{"TOKEN": "x"}}
	digest := func(key string, spec ServiceSpec) string {
		text, err := KeyedDigest([]byte(key), spec)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	base := digest("k", spec)
	if len(base) != 64 || strings.ToLower(base) != base {
		t.Errorf("not lower-case hexadecimal: %q", base)
	}
	if digest("other", spec) == base {
		t.Error("the key must matter")
	}
	rotated := spec
	rotated.VolatileEnv = map[string]string{"TOKEN": "y"}
	if digest("k", rotated) != base {
		t.Error("volatile environment must not matter")
	}
	changed := spec
	changed.Env = map[string]string{"A": "1", "B": "3"}
	if digest("k", changed) == base {
		t.Error("environment must matter")
	}
}
