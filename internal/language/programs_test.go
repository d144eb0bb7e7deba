package language

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

// large is a package whose compiled form is worth keeping; its second file fails when it is told to.
func large(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"kurtosis.yml": "name: github.com/acme/large\n",
		"main.star":    "lib = import_module('./lib.star')\n" + strings.Repeat("# A comment that makes the file long.\n", 2000) + "def run(plan, broken=False):\n    return lib.greet(plan, broken)\n",
		"lib.star":     "def greet(plan, broken):\n    \"\"\"Greets.\"\"\"\n    if broken:\n        fail('told to')\n    plan.print('%s' % ['hello'] * 1)\n    return 'hello'\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestProgramsAreKept(t *testing.T) {
	t.Parallel()
	folder, cache := large(t), t.TempDir()
	interpretOnce := func(broken bool) (*interpreter, string) {
		t.Helper()
		opened, err := locator.New(locator.Options{CacheDir: cache}).Open(context.Background(), folder, "")
		if err != nil {
			t.Fatal(err)
		}
		in := newInterpreter(context.Background(), opened, Request{Args: map[string]any{"broken": broken}}.withDefaults())
		var result string
		err = in.guarded(func() error {
			entry, err := in.entry()
			if err != nil {
				return err
			}
			output, err := in.run(entry)
			if err == nil {
				result = output.String()
			}
			return err
		})
		if err != nil {
			result = in.interpretationError(err).Error()
		}
		return in, result
	}
	file := func() string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(cache, "programs", "*"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		return files[0]
	}

	first, result := interpretOnce(false)
	if !first.programs.fresh || result != `"hello"` {
		t.Errorf("the first interpretation compiles: %s", result)
	}
	second, result := interpretOnce(false)
	if second.programs.fresh || result != `"hello"` {
		t.Errorf("the second interpretation compiles nothing: %s", result)
	}
	// An error reads the same, with its places, whether its files were compiled or kept.
	_, kept := interpretOnce(true)
	content, err := os.ReadFile(file())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cut off": string(content[:len(content)/2]), "empty": "", "other": "something else",
		"flipped": string(append(bytes.Clone(content[:len(content)-1]), content[len(content)-1]^1)),
	} {
		if err := os.WriteFile(file(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		in, compiled := interpretOnce(true)
		if !in.programs.fresh {
			t.Errorf("%s: a damaged cache must not be used", name)
		}
		if diff := cmp.Diff(compiled, kept); diff != "" || !strings.Contains(kept, "lib.star:4:13") {
			t.Errorf("%s: %s\n%s", name, diff, kept)
		}
	}
	if in, result := interpretOnce(false); !in.programs.fresh || result != `"hello"` {
		t.Error("what was damaged is made again")
	}
	// A changed file is compiled, the others are not forgotten.
	library := filepath.Join(folder, "lib.star")
	if err := os.WriteFile(library, []byte("def greet(plan, broken):\n    return 'changed'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if in, result := interpretOnce(false); !in.programs.fresh || result != `"changed"` {
		t.Errorf("a changed file is compiled: %s", result)
	}
	if in, _ := interpretOnce(false); in.programs.fresh || len(in.programs.kept) != 2 {
		t.Errorf("what is kept is what was used: %d programs", len(in.programs.kept))
	}
}

func TestSmallPackagesLeaveNothing(t *testing.T) {
	t.Parallel()
	folder, cache := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"kurtosis.yml": "name: github.com/acme/small\n", "main.star": "def run(plan):\n    pass\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opened, err := locator.New(locator.Options{CacheDir: cache}).Open(context.Background(), folder, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Interpret(context.Background(), opened, Request{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(cache, "programs")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a small package is compiled each time", err)
	}
}

func TestCacheThatCannotBeWrittenIsNoError(t *testing.T) {
	t.Parallel()
	folder, cache := large(t), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(cache, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	opened, err := locator.New(locator.Options{CacheDir: cache}).Open(context.Background(), folder, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Interpret(context.Background(), opened, Request{}); err != nil {
		t.Error(err)
	}
}

func FuzzDecodePrograms(f *testing.F) {
	f.Add([]byte(programsMagic), true)
	f.Add([]byte("0123456789012345678901234567890\x00\x00\x00\x01x"), true)
	f.Fuzz(func(t *testing.T, content []byte, framed bool) {
		if framed {
			sum := checksum(content)
			content = append([]byte(programsMagic+programIdentity()), append([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}, content...)...)
		}
		total := 0
		for _, encoded := range decodePrograms(content) {
			total += len(programKey{}) + len(encoded)
		}
		if total > len(content) {
			t.Errorf("%d bytes of programs in a file of %d", total, len(content))
		}
	})
}
