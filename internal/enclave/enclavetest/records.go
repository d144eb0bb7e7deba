package enclavetest

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

var recordBehaviours = []behaviour{
	{name: "record is written, replaced and removed", test: func(f *fixture) {
		name := f.enclave()
		_, err := f.backend.Record(f.ctx, name, "run/shop")
		f.is(err, enclave.ErrNotFound)
		// Sizes up and down, so that nothing of a longer one remains.
		for _, content := range [][]byte{[]byte("first"), bytes.Repeat([]byte{0, 1, '\n'}, 1<<18), []byte("x"), {}} {
			f.must(f.backend.WriteRecord(f.ctx, name, "run/shop", content))
			read, err := f.backend.Record(f.ctx, name, "run/shop")
			f.must(err)
			if !bytes.Equal(read, content) {
				f.Errorf("wrote %d bytes and read %d others", len(content), len(read))
			}
		}
		f.must(f.backend.RemoveRecord(f.ctx, name, "run/shop"))
		f.must(f.backend.RemoveRecord(f.ctx, name, "run/shop"))
		_, err = f.backend.Record(f.ctx, name, "run/shop")
		f.is(err, enclave.ErrNotFound)
		f.must(f.backend.WriteRecord(f.ctx, name, "run/shop", []byte("again")))
		read, err := f.backend.Record(f.ctx, name, "run/shop")
		f.must(err)
		equal(f, "content", string(read), "again")
	}},
	{name: "records are listed by prefix", test: func(f *fixture) {
		name := f.enclave()
		listed, err := f.backend.ListRecords(f.ctx, name, "")
		f.must(err)
		equal(f, "records", len(listed), 0)
		// One record's name may be the beginning of another one's.
		for _, record := range []string{"run/shop", "run", "fork/staging", "run/shop/more"} {
			f.must(f.backend.WriteRecord(f.ctx, name, record, []byte(record)))
		}
		f.must(f.backend.RemoveRecord(f.ctx, name, "run/shop/more"))
		for prefix, want := range map[string][]string{"": {"fork/staging", "run", "run/shop"}, "run/": {"run/shop"}, "none": {}} {
			listed, err := f.backend.ListRecords(f.ctx, name, prefix)
			f.must(err)
			if !slices.Equal(listed, want) {
				f.Errorf("prefix %q: got %v, want %v", prefix, listed, want)
			}
		}
		read, err := f.backend.Record(f.ctx, name, "run")
		f.must(err)
		equal(f, "content", string(read), "run")
	}},
	{name: "records are written at the same time", test: func(f *fixture) {
		name := f.enclave()
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for j := range 3 {
					if err := f.backend.WriteRecord(f.ctx, name, fmt.Sprintf("r%d", i), fmt.Appendf(nil, "%d %d", i, j)); err != nil {
						f.Error(err)
					}
					if err := f.backend.WriteRecord(f.ctx, name, "shared", fmt.Appendf(nil, "%d %d", i, j)); err != nil {
						f.Error(err)
					}
				}
			})
		}
		group.Wait()
		for i := range 8 {
			read, err := f.backend.Record(f.ctx, name, fmt.Sprintf("r%d", i))
			f.must(err)
			equal(f, "content", string(read), fmt.Sprintf("%d 2", i))
		}
		_, err := f.backend.Record(f.ctx, name, "shared")
		f.must(err)
	}},
}

func emptyTar(w io.Writer) error { return tar.NewWriter(w).Close() }

var artifactBehaviours = []behaviour{
	{name: "artifact is stored once by its digest", test: func(f *fixture) {
		name := f.enclave()
		digest := f.artifact(name, plan.TextFile("a.txt", 0o644, "alpha"), plan.TextFile("sub/b.txt", 0o600, strings.Repeat("beta", 1<<16)))
		f.must(f.backend.PutArtifact(f.ctx, name, digest, func(io.Writer) error { return errors.New("it was read again") }))
		other := f.artifact(name, plan.TextFile("c.txt", 0o644, "gamma"))
		listed, err := f.backend.ListArtifacts(f.ctx, name)
		f.must(err)
		want := []string{digest, other}
		slices.Sort(want)
		if !slices.Equal(listed, want) {
			f.Errorf("listed %v, want %v", listed, want)
		}
		stream, err := f.backend.Artifact(f.ctx, name, digest)
		f.must(err)
		// While one stream is open all else goes on.
		f.must(f.backend.WriteRecord(f.ctx, name, "note", []byte("x")))
		files := f.untar(stream)
		equal(f, "a.txt", files["a.txt"], "alpha")
		equal(f, "size of b.txt", len(files["sub/b.txt"]), 4<<16)
	}},
	{name: "artifact whose content fails is not there", test: func(f *fixture) {
		name := f.enclave()
		failure := errors.New("the disk is gone")
		f.is(f.backend.PutArtifact(f.ctx, name, "d1", func(w io.Writer) error {
			_, _ = io.WriteString(w, "half")
			return failure
		}), failure)
		_, err := f.backend.Artifact(f.ctx, name, "d1")
		f.is(err, enclave.ErrNotFound)
		listed, err := f.backend.ListArtifacts(f.ctx, name)
		f.must(err)
		equal(f, "artifacts", len(listed), 0)
	}},
	{name: "artifact is removed and stored again", test: func(f *fixture) {
		name := f.enclave()
		digest := f.artifact(name, plan.TextFile("a.txt", 0o644, "alpha"))
		kept := f.artifact(name, plan.TextFile("b.txt", 0o644, "beta"))
		f.must(f.backend.RemoveArtifacts(f.ctx, name, []string{digest, "never-stored"}))
		_, err := f.backend.Artifact(f.ctx, name, digest)
		f.is(err, enclave.ErrNotFound)
		listed, err := f.backend.ListArtifacts(f.ctx, name)
		f.must(err)
		if !slices.Equal(listed, []string{kept}) {
			f.Errorf("listed %v, want %v", listed, kept)
		}
		equal(f, "digest", f.artifact(name, plan.TextFile("a.txt", 0o644, "alpha")), digest)
		stream, err := f.backend.Artifact(f.ctx, name, digest)
		f.must(err)
		equal(f, "a.txt", f.untar(stream)["a.txt"], "alpha")
	}},
}

// untar reads an archive: contents by path, folders as "" and links as "-> target".
func (f *fixture) untar(stream io.ReadCloser) map[string]string {
	f.Helper()
	files := map[string]string{}
	archive := tar.NewReader(stream)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		f.must(err)
		content, err := io.ReadAll(archive)
		f.must(err)
		files[header.Name] = string(content)
		if header.Typeflag == tar.TypeSymlink {
			files[header.Name] = "-> " + header.Linkname
		}
	}
	f.must(stream.Close())
	return files
}
