package plan

import (
	"strings"
	"testing"
)

// FuzzRuntimeValues looks for texts in which runtime values are not found, are found where there are none, or are resolved
// to something else than their value, once.
func FuzzRuntimeValues(f *testing.F) {
	value := RuntimeValue{Producer: "db#2", Field: "extract.a-b"}.String()
	for _, seed := range []string{
		"", value, value + value, "a" + value + "b", "{{" + value + "}}", value[1:], value[:len(value)-1], "{{sundog:a:b}}{{sundog:", "{{sundog:a b:c}}", "{{sundog::c}}", "{{sundog:a:b:c}}",
		"{{sundog:{{sundog:a:b}}:c}}", "\x00{{sundog:a:b}}\xff", `{"k":"{{sundog:task.seed:output}}"}`, "{{ .x }} {{sundog:ä:b}}",
	} {
		f.Add(seed, "answer")
		f.Add(seed, value)
	}
	f.Fuzz(func(t *testing.T, text, answer string) {
		found := FindRuntimeValues(text)
		values := mapValues{}
		rest := text
		for _, value := range found {
			before, after, ok := strings.Cut(rest, value.String())
			if !ok || len(FindRuntimeValues(before)) > 0 {
				t.Fatalf("%q was found in %q, and is not there", value, text)
			}
			rest = after
			values[value] = answer
		}
		if len(FindRuntimeValues(rest)) > 0 {
			t.Fatalf("not all of %q was found", text)
		}

		// What is inserted is not looked at again.
		want := text
		for i, value := range found {
			want = strings.Replace(want, value.String(), mark(i), 1)
		}
		for i := range found {
			want = strings.Replace(want, mark(i), answer, 1)
		}
		got, err := ResolveText(text, values)
		if err != nil || got != want && !strings.Contains(text+answer, "\x00mark") {
			t.Errorf("%q became %q (%v); want %q", text, got, err, want)
		}
		if _, err := ResolveText(text, mapValues{}); (err == nil) != (len(found) == 0) {
			t.Errorf("%q with values that nobody knows: %v", text, err)
		}

		lone := len(found) == 1 && found[0].String() == text
		for _, value := range found {
			values[value] = int64(1)
		}
		typed, err := ResolveTyped(text, values)
		if _, isNumber := typed.(int64); err != nil || isNumber != lone {
			t.Errorf("%q became %#v, %v", text, typed, err)
		}
		if len(found) == 0 && (got != text || ReadableRuntimeValues(text) != text) {
			t.Errorf("%q holds no value and was changed", text)
		}
		if readable := ReadableRuntimeValues(text); len(found) > 0 && len(readable) != len(text)-len(found)*len("sundog:") {
			t.Errorf("%q reads %q", text, readable)
		}
	})
}

func mark(i int) string {
	return "\x00mark" + string(rune('a'+i%26)) + strings.Repeat("+", i/26) + "\x00"
}
