package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	encoding "encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// authority signs certificates for one test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	content, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	certificate, err := x509.ParseCertificate(content)
	must(t, err)
	return &authority{certificate, key, string(encoding.EncodeToMemory(&encoding.Block{Type: "CERTIFICATE", Bytes: content}))}
}

// sign gives a certificate and its key, PEM.
func (a *authority) sign(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	content, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &own.PublicKey, a.key)
	must(t, err)
	encoded, err := x509.MarshalECPrivateKey(own)
	must(t, err)
	return string(encoding.EncodeToMemory(&encoding.Block{Type: "CERTIFICATE", Bytes: content})), string(encoding.EncodeToMemory(&encoding.Block{Type: "EC PRIVATE KEY", Bytes: encoded}))
}

// apiServer answers lists with nothing and notes who asked. Its certificate is for api.example.com.
type apiServer struct {
	*httptest.Server
	authority *authority

	mutex sync.Mutex
	asked []string
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	server := &apiServer{authority: newAuthority(t)}
	server.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		who := request.Header.Get("Authorization")
		if certificates := request.TLS.PeerCertificates; len(certificates) > 0 {
			who = "certificate " + certificates[0].Subject.CommonName
		}
		server.mutex.Lock()
		server.asked = append(server.asked, who)
		server.mutex.Unlock()
		writer.Header().Set("Content-Type", "application/json")
		if who == "Bearer stale" {
			writer.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(writer, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`)
			return
		}
		fmt.Fprint(writer, `{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}`)
	}))
	certificate, key := server.authority.sign(t, "api.example.com")
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(server.authority.certificate)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// whoAsks gives as whom a cluster's configuration makes the server be asked.
func (s *apiServer) whoAsks(t *testing.T, cluster Cluster) (string, error) {
	t.Helper()
	backend := New(Options{Cluster: cluster})
	defer func() { must(t, backend.Close()) }()
	s.mutex.Lock()
	s.asked = nil
	s.mutex.Unlock()
	_, err := backend.ListEnclaves(t.Context())
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.asked) == 0 {
		return "", err
	}
	return s.asked[0], err
}

// by is a configuration that reaches the server.
func (s *apiServer) by(change func(*Cluster)) Cluster {
	cluster := Cluster{Host: s.URL, ClusterCACertificate: s.authority.pem, TLSServerName: "api.example.com"}
	if change != nil {
		change(&cluster)
	}
	return cluster
}

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials")
	must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700))
	return path
}

// Each way to say who we are arrives at the server, and each way to trust it.
func TestClusterIsAskedAsWhoWeAre(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	certificate, key := server.authority.sign(t, "somebody")
	plugin := script(t, `[ "$1 $NAME" = "give me" ] && echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-a-program"}}'`)
	for what, item := range map[string]struct {
		cluster Cluster
		want    string
	}{
		"a token":              {server.by(func(c *Cluster) { c.Token = "t0ken" }), "Bearer t0ken"},
		"a name and password":  {server.by(func(c *Cluster) { c.Username, c.Password = "a", "b" }), "Basic YTpi"},
		"a client certificate": {server.by(func(c *Cluster) { c.ClientCertificate, c.ClientKey = certificate, key }), "certificate somebody"},
		"a program": {server.by(func(c *Cluster) {
			c.Exec = &Exec{APIVersion: "client.authentication.k8s.io/v1", Command: plugin, Args: []string{"give"}, Env: map[string]string{"NAME": "me"}}
		}), "Bearer from-a-program"},
		"no check of the server": {Cluster{Host: server.URL, Insecure: true, Token: "t"}, "Bearer t"},
		"a host without https":   {server.by(func(c *Cluster) { c.Host, c.Token = strings.TrimPrefix(c.Host, "https://"), "t" }), "Bearer t"},
	} {
		who, err := server.whoAsks(t, item.cluster)
		if err != nil || who != item.want {
			t.Errorf("%s: the server was asked as %q, want %q: %v", what, who, item.want, err)
		}
	}
	_, err := server.whoAsks(t, server.by(func(c *Cluster) { c.Token = "stale" }))
	mentions(t, err, "does not know who asks", "kubernetes.host", "token")
	// Whoever is not trusted is not told anything.
	who, err := server.whoAsks(t, server.by(func(c *Cluster) { c.TLSServerName, c.Token = "", "s3cret" }))
	mentions(t, err, "certificate", "kubernetes.tls_server_name", server.URL)
	who2, err := server.whoAsks(t, Cluster{Host: server.URL, TLSServerName: "api.example.com", Token: "s3cret"})
	mentions(t, err, "certificate", "kubernetes.cluster_ca_certificate", server.URL)
	if who+who2 != "" || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the server was asked as %q and %q: %v", who, who2, err)
	}
}

// kubeconfig writes a file that holds only what is given.
func kubeconfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	must(t, os.WriteFile(path, []byte("apiVersion: v1\nkind: Config\n"+text), 0o600))
	return path
}

// Several kubeconfigs are one, of which context, cluster and user can be chosen.
func TestClusterOfSeveralKubeconfigs(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	places := kubeconfig(t, fmt.Sprintf(`clusters:
- name: here
  cluster: {server: %q, tls-server-name: api.example.com, certificate-authority-data: %s}
- name: away
  cluster: {server: "https://127.0.0.1:1"}
`, server.URL, base64.StdEncoding.EncodeToString([]byte(server.authority.pem))))
	people := kubeconfig(t, `users:
- {name: one, user: {token: first}}
- {name: two, user: {token: second}}
contexts:
- {name: usual, context: {cluster: here, user: one}}
- {name: other, context: {cluster: away, user: two}}
current-context: usual
`)
	both := []string{places, people}
	for what, item := range map[string]struct {
		cluster Cluster
		want    string
	}{
		"the current context":          {Cluster{ConfigPaths: both}, "Bearer first"},
		"another cluster of a context": {Cluster{ConfigPaths: both, ConfigContext: "other", ConfigContextCluster: "here"}, "Bearer second"},
		"another user":                 {Cluster{ConfigPaths: both, ConfigContextAuthInfo: "two"}, "Bearer second"},
		"another token":                {Cluster{ConfigPaths: both, Token: "third"}, "Bearer third"},
	} {
		who, err := server.whoAsks(t, item.cluster)
		if err != nil || who != item.want {
			t.Errorf("%s: the server was asked as %q, want %q: %v", what, who, item.want, err)
		}
	}
	_, err := server.whoAsks(t, Cluster{ConfigPaths: both, ConfigContext: "other"})
	mentions(t, err, "https://127.0.0.1:1", "kubernetes.config_paths")
}

// proxy passes connections on and counts them.
func proxy(t *testing.T, target string) (address string, count func() int) {
	t.Helper()
	var mutex sync.Mutex
	passed := 0
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.Method != http.MethodConnect {
			http.Error(writer, "this is a proxy", http.StatusBadRequest)
			return
		}
		mutex.Lock()
		passed++
		mutex.Unlock()
		onward, err := net.Dial("tcp", target) //nolint:noctx // It ends with the test's server.
		if err != nil {
			http.Error(writer, err.Error(), http.StatusBadGateway)
			return
		}
		hijacker, ok := writer.(http.Hijacker)
		if !ok {
			return
		}
		connection, _, err := hijacker.Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(onward, connection)
			_ = onward.Close()
		}()
		_, _ = io.Copy(connection, onward)
		_ = connection.Close()
	}))
	t.Cleanup(server.Close)
	return server.URL, func() int {
		mutex.Lock()
		defer mutex.Unlock()
		return passed
	}
}

func TestClusterBehindAProxy(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	address, passed := proxy(t, strings.TrimPrefix(server.URL, "https://"))
	// The name is known to nobody: only the proxy knows where it leads.
	who, err := server.whoAsks(t, Cluster{Host: "https://api.example.com", ClusterCACertificate: server.authority.pem, ProxyURL: address, Token: "t"})
	if err != nil || who != "Bearer t" || passed() == 0 {
		t.Errorf("the server was asked as %q through %d connections: %v", who, passed(), err)
	}
}

// What cannot be meant is told by the attribute, with what to do.
func TestClusterThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	certificate, key := newAuthority(t).sign(t, "somebody")
	file := kubeconfig(t, "clusters: [{name: here, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: one, user: {token: first}}]\ncontexts: [{name: usual, context: {cluster: here, user: one}}]\n")
	for want, cluster := range map[string]Cluster{
		`kubernetes.config_context: there is no context "none" (there are usual)`:               {ConfigPath: file, ConfigContext: "none"},
		`kubernetes.config_context_cluster: there is no cluster "none" (there are here)`:        {ConfigPath: file, ConfigContext: "usual", ConfigContextCluster: "none"},
		`kubernetes.config_context_auth_info: there is no user "none" (there are one)`:          {ConfigPath: file, ConfigContext: "usual", ConfigContextAuthInfo: "none"},
		`kubernetes.config_context: the kubeconfig names no current context; give one of usual`: {ConfigPath: file},
		"kubernetes.insecure and kubernetes.cluster_ca_certificate":                             {Host: "x", Insecure: true, ClusterCACertificate: certificate},
		"kubernetes.proxy_url": {Host: "x", ProxyURL: "gopher://proxy"},
		"kubernetes.cluster_ca_certificate: it holds no certificate":              {Host: "x", ClusterCACertificate: "nothing"},
		"kubernetes.client_certificate needs kubernetes.client_key":               {Host: "x", ClientCertificate: certificate},
		"kubernetes.client_key needs kubernetes.client_certificate":               {Host: "x", ClientKey: key},
		"kubernetes.client_certificate and kubernetes.client_key are no pair":     {Host: "x", ClientCertificate: certificate, ClientKey: "nothing"},
		"kubernetes.password needs kubernetes.username":                           {Host: "x", Password: "s3cret"},
		"kubernetes.exec.api_version":                                             {Host: "x", Exec: &Exec{APIVersion: "v7", Command: "true"}},
		"kubernetes.exec.command: there is no program \"sundog-no-such-program\"": {Host: "x", Exec: &Exec{APIVersion: "client.authentication.k8s.io/v1", Command: "sundog-no-such-program"}},
		"kubernetes.host: \"ftp://x\"":                                            {Host: "ftp://x"},
		"kubernetes.host: \"https://\"":                                           {Host: "https://"},
	} {
		_, err := New(Options{Cluster: cluster}).ListEnclaves(t.Context())
		mentions(t, err, want)
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
	// A program that fails is named with what it said.
	_, err := New(Options{Cluster: Cluster{Host: "https://127.0.0.1:1", Exec: &Exec{APIVersion: "client.authentication.k8s.io/v1", Command: script(t, "echo no login >&2; exit 3")}}}).ListEnclaves(t.Context())
	mentions(t, err, "kubernetes.exec", "exit code 3")
}
