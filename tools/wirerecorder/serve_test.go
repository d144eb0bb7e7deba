package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// answerOfAssumeRole is what the token service answers, cut to what matters.
const answerOfAssumeRole = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken></Credentials>
</AssumeRoleResult></AssumeRoleResponse>`

// recording is a recorder in front of an upstream, both in this process.
type recording struct {
	url string
	log *safeBuffer
}

// safeBuffer is a buffer that the recorder writes while the test reads.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (r recording) entries(t *testing.T) []Entry {
	t.Helper()
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	var all []Entry
	for line := range strings.Lines(r.log.buffer.String()) {
		var entry Entry
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q is no entry: %v", line, err)
		}
		all = append(all, entry)
	}
	return all
}

func startRecording(t *testing.T, upstream http.HandlerFunc) recording {
	t.Helper()
	behind := httptest.NewServer(upstream)
	t.Cleanup(behind.Close)
	target, err := url.Parse(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	out := &safeBuffer{}
	front := httptest.NewServer(newRecorder(target, out, "123456789012", log.New(io.Discard, "", 0)))
	t.Cleanup(front.Close)
	return recording{url: front.URL, log: out}
}

// send sends a request signed (in name only: nobody checks) by a key.
func (r recording) send(t *testing.T, method, path, service, key string, body io.Reader, headers ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/20260101/eu-west-1/"+service+"/aws4_request, Signature=x")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
			continue
		}
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

const formType = "application/x-www-form-urlencoded"

func TestAssumeRoleIsLearnt(t *testing.T) {
	t.Parallel()
	r := startRecording(t, func(w http.ResponseWriter, request *http.Request) {
		if request.FormValue("Action") == "AssumeRole" {
			_, _ = fmt.Fprintf(w, answerOfAssumeRole, "ASIA"+strings.Split(request.FormValue("RoleArn"), ":")[4])
			return
		}
		_, _ = fmt.Fprint(w, "<R><AccessKey><AccessKeyId>AKIAUSER</AccessKeyId></AccessKey></R>")
	})
	assume := func(account, key string) {
		form := url.Values{"Action": {"AssumeRole"}, "RoleArn": {"arn:aws:iam::" + account + ":role/r"}}.Encode()
		_, answer := r.send(t, "POST", "/", "sts", key, strings.NewReader(form), "Content-Type", formType)
		if !strings.Contains(answer, "<SecretAccessKey>s</SecretAccessKey>") {
			t.Errorf("the answer did not pass as it was: %q", answer)
		}
	}
	assume("111111111111", "base")
	assume("222222222222", "ASIA111111111111")
	r.send(t, "POST", "/", "iam", "ASIA222222222222", strings.NewReader("Action=CreateAccessKey"), "Content-Type", formType)
	for _, key := range []string{"base", "ASIA111111111111", "ASIA222222222222", "AKIAUSER", "", "unheard"} {
		r.send(t, "POST", "/", "sqs", key, http.NoBody, "X-Amz-Target", "AmazonSQS.ListQueues")
	}
	r.send(t, "POST", "/", "sqs", "base", http.NoBody, "X-Amz-Target", "AmazonSQS.ListQueues", "X-Moto-Account-Id", "333333333333")

	want := []string{ // The account of whoever asked, not of the role that was asked for.
		"123456789012 AssumeRole", "111111111111 AssumeRole", "222222222222 CreateAccessKey",
		"123456789012 ListQueues", "111111111111 ListQueues", "222222222222 ListQueues", "222222222222 ListQueues",
		"123456789012 ListQueues", "123456789012 ListQueues", "333333333333 ListQueues",
	}
	entries := r.entries(t)
	if len(entries) != len(want) {
		t.Fatalf("%d entries, want %d", len(entries), len(want))
	}
	for i, entry := range entries {
		if got := entry.Account + " " + entry.Operation; got != want[i] {
			t.Errorf("request %d: %q, want %q", i, got, want[i])
		}
	}
}

func TestRequestsPassAsTheyAre(t *testing.T) {
	t.Parallel()
	r := startRecording(t, func(w http.ResponseWriter, request *http.Request) {
		hash := sha256.New()
		length, _ := io.Copy(hash, request.Body)
		w.Header().Set("X-Seen", "yes")
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "%s %s %s %d %x", request.Host, request.RequestURI, request.Header.Get("X-Forwarded-For"), length, hash.Sum(nil))
	})
	body := strings.Repeat("0123456789abcdef", 1<<16) // A mebibyte: more than is ever held.
	status, answer := r.send(t, "PUT", "/orders/a%2Fb%20c?x=1;y&z", "s3", "k", strings.NewReader(body), "Host", "host.docker.internal:4566")
	want := fmt.Sprintf("host.docker.internal:4566 /orders/a%%2Fb%%20c?x=1;y&z  %d %x", len(body), sha256.Sum256([]byte(body)))
	if status != http.StatusTeapot || answer != want {
		t.Errorf("the upstream saw %d %q, want %q", status, answer, want)
	}
	entry := r.entries(t)[0]
	if entry.Status != http.StatusTeapot || entry.Service != "s3" || entry.Operation != "PutObject" || entry.Path != "/orders/a/b c" {
		t.Errorf("recorded %+v", entry)
	}
}

func TestRequestWithoutAnswerIsRecorded(t *testing.T) {
	t.Parallel()
	r := startRecording(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	status, _ := r.send(t, "DELETE", "/orders", "s3", "k", http.NoBody)
	entries := r.entries(t)
	if status != http.StatusBadGateway || len(entries) != 1 || entries[0].Operation != "DeleteBucket" || entries[0].Status != http.StatusBadGateway {
		t.Errorf("answered %d, recorded %+v", status, entries)
	}
}

func TestServeListensOnSeveralAddresses(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	upstream := httptest.NewServer(http.NotFoundHandler())
	defer upstream.Close()
	// 127.0.0.2 stands for the bridge's address: the same port on another address.
	var lease net.ListenConfig
	probe, err := lease.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(probe.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	logPath := filepath.Join(t.TempDir(), "requests.jsonl")
	ended := make(chan int, 1)
	stderr := &safeBuffer{}
	go func() {
		ended <- run(ctx, []string{
			"serve", "--listen", "127.0.0.1:" + port, "--listen", "127.0.0.2:" + port,
			"--upstream", upstream.URL, "--log", logPath,
		}, io.Discard, stderr)
	}()
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		ask := func() error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+":"+port+"/", http.NoBody)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			return response.Body.Close()
		}
		deadline := time.Now().Add(10 * time.Second)
		for err := ask(); err != nil; err = ask() {
			if time.Now().After(deadline) {
				t.Fatalf("%s does not answer: %v", host, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("ended with %d: %s", code, stderr.buffer.String())
	}
	written, err := os.ReadFile(logPath)
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(written, []byte("\n")); lines != 2 {
		t.Errorf("%d lines in the log, want 2", lines)
	}
}

func TestServeSaysWhichAddressIsTaken(t *testing.T) {
	t.Parallel()
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	address := taken.Listener.Addr().String()
	var stderr bytes.Buffer
	code := run(t.Context(), []string{
		"serve", "--listen", address, "--upstream", taken.URL, "--log", filepath.Join(t.TempDir(), "l"),
	}, io.Discard, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "cannot listen on "+address) {
		t.Errorf("code %d: %s", code, stderr.String())
	}
}

// TestAnswersAreWhole sends many requests at once to an upstream that answers at once and ends the connection, as moto
// does. An answer must never be cut off because the recorder is still busy with the end of the request.
func TestAnswersAreWhole(t *testing.T) {
	t.Parallel()
	answer := strings.Repeat("0123456789abcdef", 1<<10)
	r := startRecording(t, func(w http.ResponseWriter, request *http.Request) {
		_, _ = io.CopyN(io.Discard, request.Body, request.ContentLength)
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, answer)
	})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 25 {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, strings.NewReader("Action=DescribeVpcs"))
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("Content-Type", formType)
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || string(got) != answer {
					t.Errorf("%d of %d bytes: %v", len(got), len(answer), err)
					return
				}
			}
		})
	}
	group.Wait()
}

// duplexWriter notes whether the recorder asked for both directions at once, before anything was written.
type duplexWriter struct {
	*httptest.ResponseRecorder
	asked bool
}

func (w *duplexWriter) EnableFullDuplex() error {
	w.asked = w.Body.Len() == 0
	return nil
}

func TestRequestsAndAnswersOverlap(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(upstream.Close)
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &duplexWriter{ResponseRecorder: httptest.NewRecorder()}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("Action=ListTopics"))
	newRecorder(target, io.Discard, "123456789012", log.New(io.Discard, "", 0)).ServeHTTP(w, request)
	if !w.asked || w.Code != http.StatusNotFound {
		t.Errorf("asked for full duplex: %v, status %d", w.asked, w.Code)
	}
}
