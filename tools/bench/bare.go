package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// labelBench marks what the benchmark itself makes, so that it is found again after a kill.
const labelBench = "sundog-bench"

// bare is the lower bound: the calls that nobody can do without, and nothing else. It remembers where others look.
type bare struct {
	api     *api
	name    string
	image   string
	ids     map[string]string
	version int
}

func (b *bare) prepare(context.Context, string) error {
	b.ids, b.version = map[string]string{}, 0
	return nil
}

func (b *bare) makeNetwork(ctx context.Context) error {
	return b.api.call(ctx, http.MethodPost, "/networks/create", map[string]any{"Name": b.name, "Driver": "bridge", "CheckDuplicate": true, "Labels": map[string]string{labelBench: b.name}}, nil)
}

// create makes one container. With a port it publishes that on a port of the engine's choice, as the others do.
func (b *bare) create(ctx context.Context, service, value string, port int) (string, error) {
	host := map[string]any{"NetworkMode": b.name, "Init": true}
	config := map[string]any{
		"Image": b.image, "Hostname": service, "Env": []string{"VERSION=" + value}, "Labels": map[string]string{labelBench: b.name}, "HostConfig": host,
		"NetworkingConfig": map[string]any{"EndpointsConfig": map[string]any{b.name: map[string]any{"Aliases": []string{service}}}},
	}
	if port != 0 {
		inside := fmt.Sprintf("%d/tcp", port)
		config["ExposedPorts"] = map[string]any{inside: struct{}{}}
		host["PortBindings"] = map[string]any{inside: []map[string]string{{"HostIp": "127.0.0.1", "HostPort": ""}}}
	}
	var created struct{ ID string }
	err := b.api.call(ctx, http.MethodPost, "/containers/create?name="+b.name+"-"+service, config, &created)
	return created.ID, err
}

func (b *bare) start(ctx context.Context, id string) error {
	return b.api.call(ctx, http.MethodPost, "/containers/"+id+"/start", nil, nil)
}

func (b *bare) apply(ctx context.Context, w workload) error {
	switch {
	case len(b.ids) == 0:
		return b.createAll(ctx, w)
	case w.version != b.version:
		b.version = w.version
		name := serviceName(0)
		if err := b.api.removeContainer(ctx, b.ids[name]); err != nil {
			return err
		}
		id, err := b.create(ctx, name, w.value(0), 0)
		if err != nil {
			return err
		}
		b.ids[name] = id
		return b.start(ctx, id)
	case w.services < len(b.ids):
		name := serviceName(w.services)
		id := b.ids[name]
		delete(b.ids, name)
		return b.api.removeContainer(ctx, id)
	}
	return nil
}

func (b *bare) createAll(ctx context.Context, w workload) error {
	if err := b.makeNetwork(ctx); err != nil {
		return err
	}
	ids := make([]string, w.services)
	err := parallel(ctx, w.services, func(ctx context.Context, i int) (err error) {
		if ids[i], err = b.create(ctx, serviceName(i), w.value(i), 0); err != nil {
			return err
		}
		return b.start(ctx, ids[i])
	})
	for i, id := range ids {
		b.ids[serviceName(i)] = id
	}
	return err
}

func (b *bare) destroy(ctx context.Context) error {
	var ids []string
	for _, id := range b.ids {
		ids = append(ids, id)
	}
	if err := parallel(ctx, len(ids), func(ctx context.Context, i int) error { return b.api.removeContainer(ctx, ids[i]) }); err != nil {
		return err
	}
	return b.api.call(ctx, http.MethodDelete, "/networks/"+b.name, nil, nil)
}

// prepareSequence makes what sequence starts: containers that need nothing but a start.
func (b *bare) prepareSequence(ctx context.Context, services int) error {
	if err := b.makeNetwork(ctx); err != nil {
		return err
	}
	ids := make([]string, services)
	err := parallel(ctx, services, func(ctx context.Context, i int) (err error) {
		ids[i], err = b.create(ctx, serviceName(i), "0", probePort)
		return err
	})
	for i, id := range ids {
		b.ids[serviceName(i)] = id
	}
	return err
}

// sequence starts prepared containers in turn, each once the port of the one before it is open. The address is asked
// for, as it is known only after the start.
func (b *bare) sequence(ctx context.Context, services int) error {
	for i := range services {
		id := b.ids[serviceName(i)]
		if err := b.start(ctx, id); err != nil {
			return err
		}
		var inspected struct {
			NetworkSettings struct {
				Networks map[string]struct{ IPAddress string }
			}
		}
		if err := b.api.call(ctx, http.MethodGet, "/containers/"+id+"/json", nil, &inspected); err != nil {
			return err
		}
		address := strings.TrimSpace(inspected.NetworkSettings.Networks[b.name].IPAddress)
		if err := awaitPort(ctx, fmt.Sprintf("%s:%d", address, probePort)); err != nil {
			return fmt.Errorf("service %s: %w", serviceName(i), err)
		}
	}
	return nil
}
