package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
)

// dockerWorld is a Docker daemon of our own.
type dockerWorld struct {
	engine *engine
	api    *api
	line   *wire
	begun  int64 // where the daemon's log of this round begins
}

func newDockerWorld(folder, cgroup string) *dockerWorld {
	direct := newAPI(engineSocket, engineFolder+"/data")
	return &dockerWorld{
		api: direct, engine: &engine{folder: folder, cgroup: cgroup, api: direct},
		line: &wire{
			target: &url.URL{Scheme: "http", Host: "engine"},
			transport: &http.Transport{
				DisableCompression: true, DisableKeepAlives: true,
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, "unix", engineSocket)
				},
			},
			listen: func(ctx context.Context) (net.Listener, error) {
				if err := os.Remove(wireSocket); err != nil && !errors.Is(err, os.ErrNotExist) {
					return nil, err
				}
				return (&net.ListenConfig{}).Listen(ctx, "unix", wireSocket)
			},
			changes: func(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead },
		},
	}
}

func (w *dockerWorld) begin(ctx context.Context, witness string) error {
	if err := w.engine.start(ctx, false); err != nil {
		return err
	}
	if err := w.line.open(ctx); err != nil {
		return err
	}
	if err := importBase(ctx, w.api, witness); err != nil {
		return fmt.Errorf("make the image of the services: %w", err)
	}
	return nil
}

func (w *dockerWorld) end() error {
	if w.engine.ended == nil {
		return nil
	}
	return w.engine.end(false)
}

func (w *dockerWorld) wire() *wire           { return w.line }
func (w *dockerWorld) environment() []string { return []string{"DOCKER_HOST=unix://" + wireSocket} }
func (w *dockerWorld) builds() bool          { return true }

func (w *dockerWorld) kinds() kinds {
	return kinds{
		command: []kind{killBoth, killEngine, killFirst, killBoth, restart},
		cli:     []kind{killAll, killProvider, killEngine, killCLI, killProvider, restart},
	}
}

// survive tells whether the containers of a round outlive the daemon.
func survive(number int) bool { return number/4%2 == 1 }

func (w *dockerWorld) ready(ctx context.Context, r round) error {
	if survivors := survive(r.number); w.engine.survivors != survivors || w.engine.unsound {
		if err := w.replace(ctx, false, survivors); err != nil {
			return err
		}
	}
	w.begun = w.engine.logged()
	return nil
}

func (w *dockerWorld) replace(ctx context.Context, force, survivors bool) error {
	w.line.close()
	if err := w.engine.end(force); err != nil {
		return err
	}
	if err := w.engine.start(ctx, survivors); err != nil {
		return err
	}
	return w.line.open(ctx)
}

func (w *dockerWorld) strike(ctx context.Context, kind kind, _ <-chan struct{}) (struck bool, err error) {
	return true, w.replace(ctx, kind == killEngine, w.engine.survivors)
}

func (w *dockerWorld) label(kind kind) string {
	if kind == killEngine || kind == restart {
		return fmt.Sprintf("%s, containers survive: %t", kind, w.engine.survivors)
	}
	return string(kind)
}

func (w *dockerWorld) excuses(kind kind, _ string) (replaced, started bool) {
	return false, (kind == killEngine || kind == restart) && !w.engine.survivors
}

func (w *dockerWorld) lost() bool {
	if !w.engine.lostPorts(w.begun) {
		return false
	}
	w.engine.unsound = true
	return true
}

func (w *dockerWorld) observe(ctx context.Context) (*state, error) { return w.api.observe(ctx) }

func (w *dockerWorld) leftovers(ctx context.Context) ([]object, error) {
	labelled, err := w.api.objects(ctx)
	if err != nil {
		return nil, err
	}
	bare, err := w.api.unlabelled(ctx)
	return append(labelled, bare...), err
}

func (w *dockerWorld) remove(ctx context.Context, objects []object) error {
	return w.api.remove(ctx, objects)
}
