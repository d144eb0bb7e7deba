package cli

import (
	"archive/tar"
	"bytes"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

func TestPort(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/dns\n", "main.star": `def run(plan):
    plan.add_service("dns", ServiceConfig(image="test/service:1", ports={
        "dns": PortSpec(number=53, transport_protocol="UDP", wait=None),
        "http": PortSpec(number=8080, application_protocol="http", wait=None),
    }))
    plan.add_service("none", ServiceConfig(image="test/service:1"))
`})
	w.ok("run", folder, "--enclave", "dev")
	address := strings.TrimSpace(w.ok("port", "dev", "dns", "http"))
	if host, port, err := net.SplitHostPort(address); err != nil || host != "127.0.0.1" || port == "0" {
		t.Errorf("%q: %v", address, err)
	}
	if byNumber := strings.TrimSpace(w.ok("port", "dev", "dns", "8080")); byNumber != address {
		t.Errorf("%q is not %q", byNumber, address)
	}
	contains(t, w.ok("port", "dev", "dns"), "PORT", "53/udp", address)
	contains(t, w.ok("port", "dev"), "SERVICE", "dns", "http", address)
	all := decodeInto[[]servicePorts](t, w.ok("port", "dev", "--format", "json"))
	if len(all) != 2 || all[0].Service != "dns" || len(all[0].Ports) != 2 {
		t.Errorf("%+v", all)
	}
	w.fails(ExitFailure, []string{"port", "dev", "dsn"}, `did you mean "dns"?`)
	w.fails(ExitFailure, []string{"port", "dev", "dns", "htp"}, `did you mean "http"?`)
	ports := decodeInto[[]portDocument](t, w.ok("port", "dev", "dns", "--format", "json"))
	if len(ports) != 2 || ports[0].HostPort != 0 || ports[1].address() != address {
		t.Errorf("%+v", ports)
	}
	if port := decodeInto[portDocument](t, w.ok("port", "dev", "dns", "http", "--format", "json")); port.address() != address {
		t.Errorf("%+v", port)
	}
	w.fails(ExitFailure, []string{"port", "dev", "dns", "dns"}, "not published", "sundog forward dev dns dns")
	w.fails(ExitFailure, []string{"port", "dev", "dns", "grpc"}, `"grpc"`, "dns, http")
	w.fails(ExitFailure, []string{"port", "dev", "none", "grpc"}, "no ports")
}

func TestFiles(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	w.ok("run", folder, "--enclave", "dev")
	contains(t, w.ok("files", "ls", "dev"), "config", "shop")
	artifacts := decodeInto[[]artifactDocument](t, w.ok("files", "ls", "dev", "--format", "json"))
	if len(artifacts) != 1 || artifacts[0].Name != "config" {
		t.Error(artifacts)
	}
	files := decodeInto[[]fileDocument](t, w.ok("files", "ls", "dev", "config", "--format", "json"))
	if !slices.ContainsFunc(files, func(file fileDocument) bool {
		return file.Path == "app.conf" && file.Type == "file" && file.Size == 8
	}) {
		t.Errorf("%+v", files)
	}
	contains(t, w.ok("files", "ls", "dev", "config"), "app.conf")
	target := filepath.Join(t.TempDir(), "a", "b")
	if output := w.ok("files", "get", "dev", "config", target); strings.TrimSpace(output) != target {
		t.Errorf("%q", output)
	}
	if content, err := os.ReadFile(filepath.Join(target, "app.conf")); err != nil || string(content) != "tag=one\n" {
		t.Errorf("%q %v", content, err)
	}
}

func TestFilesOfSeveralRuns(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	files := func(text string) string {
		return writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/files\n", "main.star": `def run(plan):
    plan.render_templates(name="config", config={"f": struct(template="` + text + `", data={})})
`})
	}
	w.ok("run", files("one"), "--enclave", "dev", "--name", "one")
	w.ok("run", files("two"), "--enclave", "dev", "--name", "two")
	w.fails(ExitFailure, []string{"files", "get", "dev", "config", t.TempDir()}, "--run", "one, two")
	target := t.TempDir()
	w.ok("files", "get", "dev", "config", target, "--run", "two")
	if content, err := os.ReadFile(filepath.Join(target, "f")); err != nil || string(content) != "two" {
		t.Errorf("%q %v", content, err)
	}
	missing := filepath.Join(target, "missing")
	w.fails(ExitFailure, []string{"files", "get", "dev", "data", missing}, `"data"`, "config")
	if _, err := os.Stat(missing); err == nil {
		t.Error("no folder may be left for an artifact that is not there")
	}
}

func TestUnpackingStaysInItsFolder(t *testing.T) {
	parent := t.TempDir()
	for name, entries := range map[string][]tar.Header{
		"parent":  {{Name: "../escaped", Typeflag: tar.TypeReg, Mode: 0o600, Size: 1}},
		"symlink": {{Name: "out", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "out/escaped", Typeflag: tar.TypeReg, Mode: 0o600, Size: 1}},
	} {
		target, err := newUnpacker(filepath.Join(parent, name))
		if err != nil {
			t.Fatal(err)
		}
		var failure error
		for i := range entries {
			if failure == nil {
				failure = target.unpack(&entries[i], bytes.NewReader([]byte("x")))
			}
		}
		if failure == nil {
			t.Errorf("%s: it must be refused", name)
		}
		if err := target.root.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(parent, "escaped")); err == nil {
		t.Error("a file was written outside of the folder")
	}
}
