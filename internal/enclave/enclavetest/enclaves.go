package enclavetest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

var enclaveBehaviours = []behaviour{
	{name: "enclave is created once for one owner", test: func(f *fixture) {
		name := ReserveEnclave(f, f.backend)
		expires := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
		spec := enclave.Spec{Name: name, Owner: Owner, Labels: map[string]string{"team": "shop"}, ExpiresAt: expires}
		created, err := f.backend.CreateEnclave(f.ctx, spec)
		f.must(err)
		equal(f, "name", created.Name, name)
		equal(f, "id", created.ID(), f.backend.Name()+"/"+name)
		equal(f, "owner", created.Owner, Owner)
		equal(f, "label", created.Labels["team"], "shop")
		equal(f, "size of the key", len(created.Key), 32)
		if created.Network == "" {
			f.Error("the enclave has no network")
		}
		if !created.ExpiresAt.Equal(expires) || time.Since(created.CreatedAt).Abs() > time.Minute {
			f.Errorf("made at %s, expires at %s, want now and %s", created.CreatedAt, created.ExpiresAt, expires)
		}
		again, err := f.backend.CreateEnclave(f.ctx, spec)
		f.must(err)
		if !bytes.Equal(again.Key, created.Key) || !again.CreatedAt.Equal(created.CreatedAt) {
			f.Error("creating it again made another enclave")
		}
		found, err := f.backend.Enclave(f.ctx, name)
		f.must(err)
		if !bytes.Equal(found.Key, created.Key) {
			f.Error("the enclave that is found has another key")
		}
	}},
	{name: "enclave of another owner is refused", test: func(f *fixture) {
		name := f.enclave()
		for _, call := range []func() error{
			func() error {
				_, err := f.backend.CreateEnclave(f.ctx, enclave.Spec{Name: name, Owner: "somebody else"})
				return err
			},
			func() error {
				_, err := f.backend.UpdateEnclave(f.ctx, enclave.Spec{Name: name, Owner: "somebody else"})
				return err
			},
		} {
			err := call()
			var owned *enclave.OwnedError
			if !errors.As(err, &owned) {
				f.Fatalf("got error %v, want an OwnedError", err)
			}
			equal(f, "kind", owned.Kind, "enclave")
			equal(f, "name", owned.Name, name)
			equal(f, "owner", owned.Owner, Owner)
			if time.Since(owned.CreatedAt).Abs() > time.Minute {
				f.Errorf("made at %s, want now", owned.CreatedAt)
			}
		}
	}},
	{name: "enclave is made once by many at the same time", test: func(f *fixture) {
		name := ReserveEnclave(f, f.backend)
		keys := make([][]byte, 4)
		var group sync.WaitGroup
		for i := range keys {
			group.Go(func() {
				created, err := f.backend.CreateEnclave(f.ctx, enclave.Spec{Name: name, Owner: Owner})
				if err != nil {
					f.Error(err)
					return
				}
				keys[i] = created.Key
			})
		}
		group.Wait()
		for _, key := range keys {
			if !bytes.Equal(key, keys[0]) {
				f.Error("two enclaves of the same name were made")
			}
		}
	}},
	{name: "enclave's labels and expiry change, its key does not", test: func(f *fixture) {
		name := ReserveEnclave(f, f.backend)
		created, err := f.backend.CreateEnclave(f.ctx, enclave.Spec{Name: name, Owner: Owner, Labels: map[string]string{"a": "1"}, ExpiresAt: time.Now().Add(time.Hour)})
		f.must(err)
		updated, err := f.backend.UpdateEnclave(f.ctx, enclave.Spec{Name: name, Owner: Owner, Labels: map[string]string{"b": "2"}})
		f.must(err)
		found, err := f.backend.Enclave(f.ctx, name)
		f.must(err)
		for _, item := range []*enclave.Enclave{updated, found} {
			if len(item.Labels) != 1 || item.Labels["b"] != "2" || !item.ExpiresAt.IsZero() || !bytes.Equal(item.Key, created.Key) || !item.CreatedAt.Equal(created.CreatedAt) {
				f.Errorf("got labels %v, expiry %s", item.Labels, item.ExpiresAt)
			}
		}
	}},
	{name: "enclaves are listed by name", test: func(f *fixture) {
		first, second := f.enclave(), f.enclave()
		listed, err := f.backend.ListEnclaves(f.ctx)
		f.must(err)
		var names []string
		for _, item := range listed {
			names = append(names, item.Name)
			if item.Name == first && (item.Owner != Owner || len(item.Key) != 32 || item.Backend != f.backend.Name()) {
				f.Errorf("listed as %+v", item)
			}
		}
		if !slices.IsSorted(names) || !slices.Contains(names, first) || !slices.Contains(names, second) {
			f.Errorf("listed %s, want them sorted with %s and %s", strings.Join(names, ", "), first, second)
		}
	}},
	{name: "enclave is removed with all that it holds", test: func(f *fixture) {
		name := f.enclave()
		f.must(f.backend.WriteRecord(f.ctx, name, "note", []byte("text")))
		f.create(name, "api", nil)
		before, err := f.backend.Enclave(f.ctx, name)
		f.must(err)
		f.must(f.backend.RemoveEnclave(f.ctx, name))
		_, err = f.backend.Enclave(f.ctx, name)
		f.is(err, enclave.ErrNotFound)
		f.must(f.backend.RemoveEnclave(f.ctx, name))
		after, err := f.backend.CreateEnclave(f.ctx, enclave.Spec{Name: name, Owner: "somebody else"})
		f.must(err)
		if bytes.Equal(before.Key, after.Key) {
			f.Error("the new enclave has the old one's key")
		}
		_, err = f.backend.Record(f.ctx, name, "note")
		f.is(err, enclave.ErrNotFound)
		snapshot, err := f.backend.Observe(f.ctx, name)
		f.must(err)
		equal(f, "services", len(snapshot.Services), 0)
	}},
	{name: "enclave that is not there is not found", test: func(f *fixture) {
		name := UniqueName(f)
		calls := map[string]func() error{
			"Enclave": func() error { _, err := f.backend.Enclave(f.ctx, name); return err },
			"UpdateEnclave": func() error {
				_, err := f.backend.UpdateEnclave(f.ctx, enclave.Spec{Name: name, Owner: Owner})
				return err
			},
			"Observe":       func() error { _, err := f.backend.Observe(f.ctx, name); return err },
			"Lock":          func() error { _, err := f.backend.Lock(f.ctx, name, "l", "me"); return err },
			"CreateService": func() error { _, err := f.backend.CreateService(f.ctx, name, f.request("api", nil)); return err },
			"StartService":  func() error { _, err := f.backend.StartService(f.ctx, name, "api"); return err },
			"StopService":   func() error { return f.backend.StopService(f.ctx, name, "api") },
			"Service":       func() error { _, err := f.backend.Service(f.ctx, name, "api"); return err },
			"Exec": func() error {
				_, err := f.backend.Exec(f.ctx, name, "api", enclave.ExecRequest{Command: []string{"x"}})
				return err
			},
			"CopyFrom":        func() error { _, err := f.backend.CopyFrom(f.ctx, name, "api", "/"); return err },
			"Logs":            func() error { _, err := f.backend.Logs(f.ctx, name, "api", enclave.LogOptions{}); return err },
			"Dial":            func() error { _, err := f.backend.Dial(f.ctx, name, "api", "tcp", 80); return err },
			"PutArtifact":     func() error { return f.backend.PutArtifact(f.ctx, name, "d", emptyTar) },
			"Artifact":        func() error { _, err := f.backend.Artifact(f.ctx, name, "d"); return err },
			"ListArtifacts":   func() error { _, err := f.backend.ListArtifacts(f.ctx, name); return err },
			"RemoveArtifacts": func() error { return f.backend.RemoveArtifacts(f.ctx, name, []string{"d"}) },
			"WriteRecord":     func() error { return f.backend.WriteRecord(f.ctx, name, "r", nil) },
			"Record":          func() error { _, err := f.backend.Record(f.ctx, name, "r"); return err },
			"ListRecords":     func() error { _, err := f.backend.ListRecords(f.ctx, name, ""); return err },
			"RemoveRecord":    func() error { return f.backend.RemoveRecord(f.ctx, name, "r") },
		}
		for call, ask := range calls {
			if err := ask(); !errors.Is(err, enclave.ErrNotFound) {
				f.Errorf("%s: got error %v, want ErrNotFound", call, err)
			}
		}
		f.must(f.backend.RemoveEnclave(f.ctx, name))
		f.must(f.backend.RemoveService(f.ctx, name, "api"))
	}},
}
