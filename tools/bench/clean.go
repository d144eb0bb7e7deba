package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The labels by which the peers' objects are found; their values are names that begin with the benchmark's prefix.
var ownerLabels = []string{labelBench, "com.docker.compose.project", "sundog.dev/enclave"}

// clean removes whatever carries the prefix in one of the labels, whoever made it and whatever was interrupted. It goes on
// until nothing has turned up for a while: the engine may still be at work for a client that is gone.
func clean(ctx context.Context, a *api, prefix string, still time.Duration) error {
	last := time.Now()
	for {
		found, err := cleanOnce(ctx, a, prefix)
		if err != nil || !found && time.Since(last) >= still {
			return err
		}
		if found {
			last = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("clean up: %w", context.Cause(ctx))
		case <-time.After(min(still, 200*time.Millisecond)):
		}
	}
}

func cleanOnce(ctx context.Context, a *api, prefix string) (found bool, err error) {
	var failures []error
	// Networks and volumes are free only once their containers are gone.
	for _, kind := range []struct {
		list   func(ctx context.Context, labels ...string) ([]object, error)
		remove func(ctx context.Context, item object) error
	}{
		{a.containers, func(ctx context.Context, item object) error { return a.removeContainer(ctx, item.ID) }},
		{a.networks, func(ctx context.Context, item object) error {
			return ignore(a.call(ctx, http.MethodDelete, "/networks/"+item.ID, nil, nil), http.StatusNotFound)
		}},
		{a.volumes, func(ctx context.Context, item object) error {
			return ignore(a.call(ctx, http.MethodDelete, "/volumes/"+item.Name, nil, nil), http.StatusNotFound)
		}},
	} {
		var ours []object
		for _, label := range ownerLabels {
			listed, err := kind.list(ctx, label)
			if err != nil {
				return found, fmt.Errorf("clean up: %w", err)
			}
			for _, item := range listed {
				if strings.HasPrefix(item.Labels[label], prefix) {
					ours = append(ours, item)
				}
			}
		}
		found = found || len(ours) > 0
		failures = append(failures, parallel(ctx, len(ours), func(ctx context.Context, i int) error { return kind.remove(ctx, ours[i]) }))
	}
	return found, errors.Join(failures...)
}

// cleanImages removes the benchmark's own image, and Sundog's empty one where no enclave uses it any more.
func cleanImages(ctx context.Context, a *api, image string) error {
	// By force: a container whose removal is not over yet keeps the image only for itself.
	err := ignore(a.call(ctx, http.MethodDelete, "/images/"+image+"?force=1", nil, nil), http.StatusNotFound)
	empty := ignore(a.call(ctx, http.MethodDelete, "/images/sundog/empty:1", nil, nil), http.StatusNotFound, http.StatusConflict)
	return errors.Join(err, empty)
}
