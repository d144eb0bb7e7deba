package serve_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/serve"
)

func TestHandler(t *testing.T) {
	tests := map[string]struct {
		answer any
		err    error
		status int
		body   string
	}{
		"answer":  {answer: map[string]int{"quantity": 2}, status: 200, body: `{"quantity":2}`},
		"refused": {err: serve.Refuse(404, "no order %s", "7"), status: 404, body: `{"error":"no order 7"}`},
		"failed":  {err: errors.New("the queue is gone"), status: 500, body: `{"error":"the queue is gone"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			serve.Handler(func(*http.Request) (any, error) { return test.answer, test.err }).
				ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			if recorder.Code != test.status || strings.TrimSpace(recorder.Body.String()) != test.body {
				t.Errorf("answered %d %s, want %d %s", recorder.Code, recorder.Body, test.status, test.body)
			}
		})
	}
}

func TestRunFinishesWhatIsUnderWay(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close()

	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", serve.Handler(func(*http.Request) (any, error) { return "ok", nil }))
	mux.Handle("GET /slow", serve.Handler(func(*http.Request) (any, error) {
		close(begun)
		time.Sleep(200 * time.Millisecond)
		return "done", nil
	}))
	ended := make(chan error, 1)
	go func() { ended <- serve.Run(ctx, slog.New(slog.DiscardHandler), port, mux) }()
	for start := time.Now(); serve.CheckHealth(t.Context(), port) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the server never became healthy")
		}
	}

	answered := make(chan string, 1)
	go func() {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/slow", nil)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- strings.TrimSpace(string(body))
	}()
	<-begun
	cancel()
	if got := <-answered; got != `"done"` {
		t.Errorf("the request under way got %s", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run() = %v", err)
	}
	if serve.CheckHealth(t.Context(), port) == nil {
		t.Error("the server still answers after its end")
	}
}
