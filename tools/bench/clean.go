package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// The labels by which the peers' objects are found; their values are names that begin with the benchmark's prefix.
var ownerLabels = []string{labelBench, "com.docker.compose.project", "sundog.dev/enclave"}

// clean removes whatever carries the prefix in one of the labels, whoever made it and whatever was interrupted.
func clean(ctx context.Context, a *api, prefix string) error {
	return errors.Join(cleanContainers(ctx, a, prefix), cleanNetworks(ctx, a, prefix), cleanVolumes(ctx, a, prefix))
}

func isOurs(o object, prefix string) bool {
	for _, label := range ownerLabels {
		if strings.HasPrefix(o.Labels[label], prefix) {
			return true
		}
	}
	return false
}

func cleanContainers(ctx context.Context, a *api, prefix string) error {
	var ids []string
	for _, label := range ownerLabels {
		found, err := a.containers(ctx, label)
		if err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
		for _, item := range found {
			if isOurs(item, prefix) {
				ids = append(ids, item.ID)
			}
		}
	}
	return parallel(ctx, len(ids), func(ctx context.Context, i int) error { return a.removeContainer(ctx, ids[i]) })
}

func cleanNetworks(ctx context.Context, a *api, prefix string) error {
	var failures []error
	for _, label := range ownerLabels {
		found, err := a.networks(ctx, label)
		failures = append(failures, err)
		for _, item := range found {
			if isOurs(item, prefix) {
				failures = append(failures, ignore(a.call(ctx, http.MethodDelete, "/networks/"+item.ID, nil, nil), http.StatusNotFound))
			}
		}
	}
	return errors.Join(failures...)
}

func cleanVolumes(ctx context.Context, a *api, prefix string) error {
	var failures []error
	for _, label := range ownerLabels {
		found, err := a.volumes(ctx, label)
		failures = append(failures, err)
		for _, item := range found {
			if isOurs(item, prefix) {
				failures = append(failures, ignore(a.call(ctx, http.MethodDelete, "/volumes/"+item.Name, nil, nil), http.StatusNotFound))
			}
		}
	}
	return errors.Join(failures...)
}

// cleanImages removes the benchmark's own image, and Sundog's empty one where no enclave uses it any more.
func cleanImages(ctx context.Context, a *api, image string) error {
	err := ignore(a.call(ctx, http.MethodDelete, "/images/"+image, nil, nil), http.StatusNotFound)
	empty := ignore(a.call(ctx, http.MethodDelete, "/images/sundog/empty:1", nil, nil), http.StatusNotFound, http.StatusConflict)
	return errors.Join(err, empty)
}
