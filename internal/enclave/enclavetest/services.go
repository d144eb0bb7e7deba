package enclavetest

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// threePorts declares a port of each kind.
func threePorts(request *enclave.ServiceRequest) {
	request.Spec.Ports = map[string]plan.Port{
		"http": {Number: 8080, Transport: "TCP", Application: "http", Wait: time.Minute},
		"db":   {Number: 5432, Transport: "TCP"},
		"dns":  {Number: 5353, Transport: "UDP"},
	}
}

var serviceBehaviours = []behaviour{
	{name: "service is created without being started", test: func(f *fixture) {
		name := f.enclave()
		request := f.request("api", threePorts)
		request.Spec.Aliases = []string{"db.prod.example.com"}
		created, err := f.backend.CreateService(f.ctx, name, request)
		f.must(err)
		found, err := f.backend.Service(f.ctx, name, "api")
		f.must(err)
		snapshot, err := f.backend.Observe(f.ctx, name)
		f.must(err)
		observed := snapshot.Services["api"]
		for _, service := range []*enclave.Service{created, found, &observed} {
			equal(f, "name", service.Name, "api")
			equal(f, "run", service.Run, run)
			equal(f, "owner", service.Owner, Owner)
			equal(f, "digest", service.Digest, "d1")
			equal(f, "image", service.Image, f.images.Service)
			equal(f, "image ID", service.ImageID, request.Image.ID)
			equal(f, "state", service.State, enclave.StateCreated)
			equal(f, "host name", service.Hostname, "api")
			equal(f, "ID", service.ID, created.ID)
			equal(f, "address", service.IPAddress, created.IPAddress)
			equal(f, "task", service.Task, false)
			equal(f, "aliases", fmt.Sprint(service.Aliases), "[db.prod.example.com]")
			if !maps.Equal(service.Ports, created.Ports) || len(service.Ports) != 3 {
				f.Errorf("ports %v, want %v", service.Ports, created.Ports)
			}
			if time.Since(service.CreatedAt).Abs() > time.Minute || !service.StartedAt.IsZero() {
				f.Errorf("created at %s, started at %s; want now and never", service.CreatedAt, service.StartedAt)
			}
		}
		if _, err := netip.ParseAddr(created.IPAddress); err != nil {
			f.Error(err)
		}
		http := created.Ports["http"]
		if http.Number != 8080 || http.Transport != "TCP" || http.Application != "http" || http.Wait != time.Minute || http.HostPort == 0 || http.Host == "" {
			f.Errorf("port http is %+v", http)
		}
		if dns := created.Ports["dns"]; dns.HostPort != 0 || dns.Host != "" || dns.Transport != "UDP" {
			f.Errorf("port dns is %+v, want it unpublished", dns)
		}
		equal(f, "extra services", len(snapshot.Extra), 0)
		equal(f, "observed enclave", snapshot.Enclave.Name, name)
	}},
	{name: "service that is a task is told apart", test: func(f *fixture) {
		name := f.enclave()
		created := f.create(name, "task", func(request *enclave.ServiceRequest) { request.Task = true })
		equal(f, "task", created.Task, true)
		snapshot, err := f.backend.Observe(f.ctx, name)
		f.must(err)
		equal(f, "task observed", snapshot.Services["task"].Task, true)
	}},
	{name: "service is replaced and keeps address and host ports", test: func(f *fixture) {
		name := f.enclave()
		before := f.create(name, "api", threePorts)
		after := f.create(name, "api", both(threePorts, func(request *enclave.ServiceRequest) { request.Digest = "d2" }))
		equal(f, "address", after.IPAddress, before.IPAddress)
		equal(f, "digest", after.Digest, "d2")
		if after.ID == before.ID {
			f.Error("the container is the same")
		}
		if !maps.Equal(after.Ports, before.Ports) {
			f.Errorf("ports %v, want %v", after.Ports, before.Ports)
		}
		snapshot, err := f.backend.Observe(f.ctx, name)
		f.must(err)
		if len(snapshot.Services) != 1 || len(snapshot.Extra) != 0 {
			f.Errorf("observed %d services and %d extra ones, want 1 and 0", len(snapshot.Services), len(snapshot.Extra))
		}
	}},
	{name: "service of another run is refused", test: func(f *fixture) {
		name := f.enclave()
		f.create(name, "api", nil)
		_, err := f.backend.CreateService(f.ctx, name, f.request("api", func(request *enclave.ServiceRequest) { request.Run = "other" }))
		var owned *enclave.OwnedError
		if !errors.As(err, &owned) {
			f.Fatalf("got error %v, want an OwnedError", err)
		}
		equal(f, "kind", owned.Kind, "service")
		equal(f, "name", owned.Name, "api")
		equal(f, "run", owned.Run, run)
	}},
	{name: "service is removed", test: func(f *fixture) {
		name := f.enclave()
		f.create(name, "api", nil)
		f.create(name, "other", nil)
		f.must(f.backend.RemoveService(f.ctx, name, "api"))
		f.must(f.backend.RemoveService(f.ctx, name, "api"))
		_, err := f.backend.Service(f.ctx, name, "api")
		f.is(err, enclave.ErrNotFound)
		snapshot, err := f.backend.Observe(f.ctx, name)
		f.must(err)
		if got := slices.Collect(maps.Keys(snapshot.Services)); !slices.Equal(got, []string{"other"}) {
			f.Errorf("observed %v, want the other service only", got)
		}
	}},
	{name: "service that is not there is not found", test: func(f *fixture) {
		name := f.enclave()
		for call, ask := range map[string]func() error{
			"StartService": func() error { _, err := f.backend.StartService(f.ctx, name, "api"); return err },
			"StopService":  func() error { return f.backend.StopService(f.ctx, name, "api") },
			"Exec": func() error {
				_, err := f.backend.Exec(f.ctx, name, "api", enclave.ExecRequest{Command: []string{"x"}})
				return err
			},
			"CopyFrom": func() error { _, err := f.backend.CopyFrom(f.ctx, name, "api", "/"); return err },
			"Logs":     func() error { _, err := f.backend.Logs(f.ctx, name, "api", enclave.LogOptions{}); return err },
			"Dial":     func() error { _, err := f.backend.Dial(f.ctx, name, "api", "tcp", 80); return err },
		} {
			err := ask()
			if !errors.Is(err, enclave.ErrNotFound) {
				f.Errorf("%s: got error %v, want ErrNotFound", call, err)
				continue
			}
			Mentions(f, err, `"api"`, name)
		}
	}},
	{name: "services made at the same time share no address and no port", test: func(f *fixture) {
		name := f.enclave()
		const count = 12
		services := make([]*enclave.Service, count)
		var group sync.WaitGroup
		for i := range services {
			request := f.request(fmt.Sprintf("s%d", i), threePorts)
			group.Go(func() {
				var err error
				if services[i], err = f.backend.CreateService(f.ctx, name, request); err != nil {
					f.Error(err)
				}
			})
		}
		group.Wait()
		if f.Failed() {
			return
		}
		addresses, ports := map[string]bool{}, map[int]bool{}
		for _, service := range services {
			addresses[service.IPAddress] = true
			ports[service.Ports["http"].HostPort] = true
			ports[service.Ports["db"].HostPort] = true
		}
		equal(f, "addresses", len(addresses), count)
		equal(f, "host ports", len(ports), 2*count)
	}},
	{name: "service with an unknown artifact leaves nothing and keeps the old one", test: func(f *fixture) {
		name := f.enclave()
		mount := func(request *enclave.ServiceRequest) {
			request.Spec.Files = map[string]plan.Mount{"/data": {Artifacts: []string{"seed"}}}
			request.Artifacts = map[string]string{"seed": "0000"}
		}
		_, err := f.backend.CreateService(f.ctx, name, f.request("api", mount))
		Mentions(f, err, `"api"`, `"seed"`, "/data")
		_, err = f.backend.Service(f.ctx, name, "api")
		f.is(err, enclave.ErrNotFound)
		old := f.create(name, "api", nil)
		_, err = f.backend.CreateService(f.ctx, name, f.request("api", mount))
		Mentions(f, err, `"seed"`)
		snapshot, err := f.backend.Observe(f.ctx, name)
		f.must(err)
		equal(f, "ID", snapshot.Services["api"].ID, old.ID)
		equal(f, "extra services", len(snapshot.Extra), 0)
	}},
	{name: "service's pinned ports must be declared", test: func(f *fixture) {
		name := f.enclave()
		_, err := f.backend.CreateService(f.ctx, name, f.request("api", both(threePorts, func(request *enclave.ServiceRequest) {
			request.Spec.PublicPorts = map[string]plan.Port{"grpc": {Number: 9000}}
		})))
		Mentions(f, err, `"grpc"`, "public_ports", "http")
	}},
	{name: "service's ports are pinned and UDP is published on request", test: func(f *fixture) {
		name := f.enclave()
		tcp, udp := publicPort(f), publicPort(f)
		created := f.create(name, "api", both(threePorts, func(request *enclave.ServiceRequest) {
			request.Spec.PublicPorts = map[string]plan.Port{"http": {Number: tcp}, "dns": {Number: udp}}
		}))
		equal(f, "http", created.Ports["http"].HostPort, tcp)
		equal(f, "dns", created.Ports["dns"].HostPort, udp)
		created = f.create(name, "open", both(threePorts, func(request *enclave.ServiceRequest) { request.Spec.PublishUDP = true }))
		if created.Ports["dns"].HostPort == 0 {
			f.Error("the UDP port is not published")
		}
	}},
	{name: "service that was never started is stopped and removed", test: func(f *fixture) {
		name := f.enclave()
		f.create(name, "api", nil)
		f.must(f.backend.StopService(f.ctx, name, "api"))
		f.must(f.backend.RemoveService(f.ctx, name, "api"))
	}},
}
