package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// api speaks to the engine directly. It knows nothing of Sundog but the label that says whose an object is: what it tells
// must not hang on the code that is tested.
type api struct {
	client *http.Client
	data   string // the folder of the engine, which stands in what it tells
}

func newAPI(socket, data string) *api {
	return &api{data: data, client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		// The engine may be another one by the next call.
		DisableKeepAlives: true,
	}}}
}

var errMissing = errors.New("not found")

func (a *api) call(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://engine/v1.41"+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/x-tar")
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s %s: %w", method, path, errMissing)
	case response.StatusCode >= http.StatusBadRequest:
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(content)))
	}
	return content, nil
}

func (a *api) get(ctx context.Context, path string, result any) error {
	content, err := a.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, result)
}

func (a *api) ping(ctx context.Context) error {
	_, err := a.call(ctx, http.MethodGet, "/_ping", nil)
	return err
}

// object is a container, network, volume or image that carries Sundog's label.
type object struct {
	kind, id, name string
	labels         map[string]string
}

// What the engine's lists say of their items, as far as it is asked for here.
type (
	listedContainer struct {
		ID     string `json:"Id"`
		Names  []string
		Labels map[string]string
	}
	listedNetwork struct {
		ID     string `json:"Id"`
		Name   string
		Labels map[string]string
	}
	listedVolumes struct {
		Volumes []struct {
			Name   string
			Labels map[string]string
		}
	}
	listedImage struct {
		ID       string `json:"Id"`
		RepoTags []string
		Labels   map[string]string
	}
)

const ourLabel = "sundog.dev/managed-by=sundog"

// objects lists everything with Sundog's label.
func (a *api) objects(ctx context.Context) ([]object, error) {
	filter := "filters=" + url.QueryEscape(`{"label":["`+ourLabel+`"]}`)
	var containers []listedContainer
	var networks []listedNetwork
	var volumes listedVolumes
	var images []listedImage
	err := errors.Join(a.get(ctx, "/containers/json?all=1&"+filter, &containers), a.get(ctx, "/networks?"+filter, &networks),
		a.get(ctx, "/volumes?"+filter, &volumes), a.get(ctx, "/images/json?"+filter, &images))
	if err != nil {
		return nil, err
	}
	var found []object
	for _, item := range containers {
		found = append(found, object{"container", item.ID, strings.TrimPrefix(strings.Join(item.Names, ","), "/"), item.Labels})
	}
	for _, item := range networks {
		found = append(found, object{"network", item.ID, item.Name, item.Labels})
	}
	for _, item := range volumes.Volumes {
		found = append(found, object{"volume", item.Name, item.Name, item.Labels})
	}
	for _, item := range images {
		found = append(found, object{"image", item.ID, strings.Join(item.RepoTags, ","), item.Labels})
	}
	return found, nil
}

// unlabelled lists what has a name like Sundog's or none at all, and no label: nobody would ever find it again.
func (a *api) unlabelled(ctx context.Context) ([]object, error) {
	var containers []listedContainer
	var volumes listedVolumes
	var images []listedImage
	if err := errors.Join(a.get(ctx, "/containers/json?all=1", &containers), a.get(ctx, "/volumes", &volumes), a.get(ctx, "/images/json", &images)); err != nil {
		return nil, err
	}
	var found []object
	for _, item := range containers {
		if item.Labels["sundog.dev/managed-by"] == "" {
			found = append(found, object{"container without labels", item.ID, strings.Join(item.Names, ","), nil})
		}
	}
	for _, item := range volumes.Volumes {
		if item.Labels["sundog.dev/managed-by"] == "" {
			found = append(found, object{"volume without labels", item.Name, item.Name, nil})
		}
	}
	for _, item := range images {
		if name := strings.Join(item.RepoTags, ","); name == "" || name == "<none>:<none>" {
			found = append(found, object{"image without a name", item.ID, item.ID, nil})
		}
	}
	return found, nil
}

// remove removes objects by force, so that the next round begins with nothing.
func (a *api) remove(ctx context.Context, objects []object) error {
	var failures []error
	for _, kind := range []string{"container", "volume", "network", "image"} {
		for _, item := range objects {
			if word, _, _ := strings.Cut(item.kind, " "); word != kind {
				continue
			}
			_, err := a.call(ctx, http.MethodDelete, map[string]string{
				"container": "/containers/" + item.id + "?force=1&v=1", "volume": "/volumes/" + item.id + "?force=1",
				"network": "/networks/" + item.id, "image": "/images/" + item.id + "?force=1",
			}[kind], nil)
			if err != nil && !errors.Is(err, errMissing) {
				failures = append(failures, err)
			}
		}
	}
	return errors.Join(failures...)
}

// files reads a file or a folder of a container: path to content.
func (a *api) files(ctx context.Context, container, path string) (map[string]string, error) {
	content, err := a.call(ctx, http.MethodGet, "/containers/"+container+"/archive?path="+url.QueryEscape(path), nil)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	archive := tar.NewReader(bytes.NewReader(content))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		found[header.Name] = fmt.Sprintf("%o %d:%d %s", header.Mode, header.Uid, header.Gid, text)
	}
}
