package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// api is the Engine API and nothing above it: the lower bound must not carry a client's habits. Its version is that of
// Docker 20.10.
type api struct{ client *http.Client }

const apiVersion = "/v1.41"

// socketOf gives the engine's socket. Only a local one can be compared: over a network the network is measured.
func socketOf(host string) (string, error) {
	if host == "" {
		host = "unix:///var/run/docker.sock"
	}
	socket, found := strings.CutPrefix(host, "unix://")
	if !found {
		return "", fmt.Errorf("DOCKER_HOST is %s: the benchmark needs an engine on this machine, at unix://PATH", host)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode()&os.ModeSocket == 0 {
		return "", fmt.Errorf("there is no Docker Engine at %s: start it (tools/setup docker), or name another one in DOCKER_HOST", socket)
	}
	return socket, nil
}

func dialSocket(socket string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
}

func newAPI(socket string) *api {
	return &api{&http.Client{Transport: &http.Transport{DialContext: dialSocket(socket), MaxIdleConnsPerHost: 32}}}
}

// apiError is an answer that is no success.
type apiError struct {
	request string
	status  int
	message string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s: the engine answers %d: %s", e.request, e.status, e.message)
}

// ignore takes an answer of that status for success.
func ignore(err error, statuses ...int) error {
	answer, ok := errors.AsType[*apiError](err)
	for _, status := range statuses {
		if ok && answer.status == status {
			return nil
		}
	}
	return err
}

// call sends one request. A body that is a reader is sent as it is, anything else as JSON; out may be nil.
func (a *api) call(ctx context.Context, method, path string, body, out any) error {
	var content io.Reader
	kind := "application/json"
	switch body := body.(type) {
	case nil:
	case io.Reader:
		content, kind = body, "application/x-tar"
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		content = bytes.NewReader(encoded)
	}
	if method != http.MethodGet && ctx.Err() == nil {
		// The engine would carry it out all the same, and the clean-up would come too early.
		ctx = context.WithoutCancel(ctx)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://docker"+apiVersion+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", kind)
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // It was read to its end or is of no use any more.
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		var document struct{ Message string }
		if json.Unmarshal(answer, &document) != nil || document.Message == "" {
			document.Message = strings.TrimSpace(string(answer))
		}
		return &apiError{method + " " + path, response.StatusCode, document.Message}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// labelled is the query that lists objects with all of the labels.
func labelled(labels ...string) string {
	filters, err := json.Marshal(map[string][]string{"label": labels})
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return "filters=" + url.QueryEscape(string(filters))
}

// object is what the clean-up needs to know of whatever the engine lists.
type object struct {
	ID     string `json:"Id"`
	Name   string
	Names  []string
	Labels map[string]string
}

func (a *api) containers(ctx context.Context, labels ...string) ([]object, error) {
	var found []object
	return found, a.call(ctx, http.MethodGet, "/containers/json?all=1&"+labelled(labels...), nil, &found)
}

func (a *api) networks(ctx context.Context, labels ...string) ([]object, error) {
	var found []object
	return found, a.call(ctx, http.MethodGet, "/networks?"+labelled(labels...), nil, &found)
}

func (a *api) volumes(ctx context.Context, labels ...string) ([]object, error) {
	var found struct{ Volumes []object }
	return found.Volumes, a.call(ctx, http.MethodGet, "/volumes?"+labelled(labels...), nil, &found)
}

func (a *api) removeContainer(ctx context.Context, id string) error {
	err := a.call(ctx, http.MethodDelete, "/containers/"+id+"?force=1&v=1", nil, nil)
	return ignore(err, http.StatusNotFound, http.StatusConflict) // gone, or being removed by somebody already
}

// atOnce is how many calls the lower bound has under way at the same time.
const atOnce = 8

// parallel runs work for 0 to count-1, atOnce at a time, and gives the first error.
func parallel(ctx context.Context, count int, work func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	indices := make(chan int)
	done := make(chan struct{})
	for range min(atOnce, count) {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range indices {
				if err := work(ctx, i); err != nil {
					cancel(err)
				}
			}
		}()
	}
feeding:
	for i := range count {
		select {
		case indices <- i:
		case <-ctx.Done():
			break feeding
		}
	}
	close(indices)
	for range min(atOnce, count) {
		<-done
	}
	return context.Cause(ctx)
}

// awaitPort connects to a port until somebody accepts.
func awaitPort(ctx context.Context, address string) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; last attempt: %w", address, context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}
