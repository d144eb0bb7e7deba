// Package cluster speaks to a Kubernetes API server directly, for tools that look at what Sundog does to it: what they tell must
// not hang on the code that is tested.
package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Client speaks to an API server.
type Client struct {
	// Server is its address.
	Server string
	client *http.Client
	tls    *tls.Config
}

// Transport speaks HTTP/1 only, as connections are to be upgraded.
func (a *Client) Transport() *http.Transport {
	return &http.Transport{TLSClientConfig: a.tls, DisableCompression: true, MaxIdleConnsPerHost: 100}
}

// New reads a kubeconfig of one cluster and one user with a certificate.
func New(path string) (*Client, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var document struct {
		Clusters []struct {
			Cluster struct {
				Server string `yaml:"server"`
				CA     string `yaml:"certificate-authority-data"`
			} `yaml:"cluster"`
		} `yaml:"clusters"`
		Users []struct {
			User struct {
				Certificate string `yaml:"client-certificate-data"`
				Key         string `yaml:"client-key-data"`
			} `yaml:"user"`
		} `yaml:"users"`
	}
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(document.Clusters) != 1 || len(document.Users) != 1 {
		return nil, fmt.Errorf("%s: it is no kubeconfig of one cluster and one user", path)
	}
	var decoded [3][]byte
	for i, text := range []string{document.Clusters[0].Cluster.CA, document.Users[0].User.Certificate, document.Users[0].User.Key} {
		if decoded[i], err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	certificate, err := tls.X509KeyPair(decoded[1], decoded[2])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(decoded[0]) {
		return nil, fmt.Errorf("%s: there is no certificate in certificate-authority-data", path)
	}
	made := &Client{
		Server: document.Clusters[0].Cluster.Server,
		tls:    &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	own := made.Transport()
	// The server may be another one by the next call.
	own.DisableKeepAlives = true
	made.client = &http.Client{Transport: own}
	return made, nil
}

// ErrMissing tells that there is no such object.
var ErrMissing = errors.New("not found")

// CallTime bounds a call, of which none is long.
const CallTime = time.Minute

// Call carries a request out and reads the answer into result, which may be nil.
func (a *Client) Call(ctx context.Context, method, path string, body, result any) error {
	ctx, cancel := context.WithTimeout(ctx, CallTime)
	defer cancel()
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, a.Server+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", method, path, ErrMissing)
	case response.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(answer)))
	case result == nil:
		return nil
	}
	return json.Unmarshal(answer, result)
}

// Get reads.
func (a *Client) Get(ctx context.Context, path string, result any) error {
	return a.Call(ctx, http.MethodGet, path, nil, result)
}

// Object is an object of any kind.
type Object struct {
	Metadata struct {
		Name              string            `json:"name"`
		Namespace         string            `json:"namespace"`
		UID               string            `json:"uid"`
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
		DeletionTimestamp string            `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec   map[string]any    `json:"spec"`
	Status map[string]any    `json:"status"`
	Data   map[string]string `json:"data"`
}

// Text is a string somewhere below status or spec; empty if it is not there.
func (o Object) Text(first string, more ...string) string {
	value := any(o.Status)
	if first == "spec" {
		value = o.Spec
	}
	for _, key := range more {
		fields, ok := value.(map[string]any)
		if !ok {
			return ""
		}
		value = fields[key]
	}
	text, _ := value.(string)
	return text
}

// List lists the objects that have a label.
func (a *Client) List(ctx context.Context, path, selector string) ([]Object, error) {
	var listed struct {
		Items []Object `json:"items"`
	}
	err := a.Get(ctx, path+"?labelSelector="+url.QueryEscape(selector), &listed)
	return listed.Items, err
}
