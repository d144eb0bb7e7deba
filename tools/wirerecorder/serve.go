package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

// shutdownGrace is how long requests under way may take after the recorder was told to stop.
const shutdownGrace = 5 * time.Second

// serveCommand runs the recorder until the context ends.
func serveCommand(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var listen addresses
	flags.Var(&listen, "listen", "address to listen on, may be given several times")
	upstream := flags.String("upstream", "", "URL of the server that answers")
	logPath := flags.String("log", "", "file that requests are appended to")
	fallback := flags.String("default-account", "123456789012", "account of credentials that no request issued")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	target, err := url.Parse(*upstream)
	if err != nil || target.Host == "" || len(listen) == 0 || *logPath == "" {
		return errUsage
	}
	file, err := os.OpenFile(*logPath, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the log: %w", err)
	}
	defer func() { _ = file.Close() }()
	recorder := newRecorder(target, file, *fallback, log.New(stderr, "", log.LstdFlags))
	return serve(ctx, listen, recorder, stderr)
}

// serve listens on every address and ends when the context does, or when one of the listeners fails.
func serve(ctx context.Context, listen []string, handler http.Handler, stderr io.Writer) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	failed := make(chan error, len(listen))
	var config net.ListenConfig
	for _, address := range listen {
		listener, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			return errors.Join(fmt.Errorf("cannot listen on %s: %w", address, err), server.Close())
		}
		_, _ = fmt.Fprintln(stderr, "listening on", listener.Addr())
		go func() { failed <- server.Serve(listener) }()
	}
	select {
	case err := <-failed:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		return server.Shutdown(grace)
	}
}

// recorder passes requests on and writes each of them down before its answer leaves.
type recorder struct {
	accounts *accounts
	log      *logWriter
	proxy    *httputil.ReverseProxy
	problems *log.Logger
}

// newRecorder returns a handler that passes everything on to target.
func newRecorder(target *url.URL, out io.Writer, fallback string, problems *log.Logger) *recorder {
	r := &recorder{accounts: newAccounts(fallback), log: &logWriter{out: out}, problems: problems}
	r.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			// The Host header is part of the signature, and the server makes queue URLs of it.
			p.Out.Host = p.In.Host
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			// This server has asked for the body already; the next one need not be asked.
			p.Out.Header.Del("Expect")
		},
		Transport: &http.Transport{
			DisableCompression:  true, // Bodies pass as they are.
			MaxIdleConnsPerHost: 64,
		},
		FlushInterval:  -1, // Answers are passed on as they come.
		ModifyResponse: r.answered,
		ErrorHandler:   r.failed,
		ErrorLog:       problems,
	}
	return r
}

// underWay is what is known of a request between its arrival and its answer.
type underWay struct {
	entry Entry
	form  url.Values
}

// underWayKey finds it in the request's context.
type underWayKey struct{}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	// Without this, the server closes the request's body when the answer begins, and the transport, which looks for the
	// body's end a moment after the upstream has it all, takes that for a broken request and cuts the answer off.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		r.problems.Printf("full duplex: %v", err)
	}
	form, err := peekForm(request)
	if err != nil {
		http.Error(w, "wirerecorder: "+err.Error(), http.StatusBadRequest)
		return
	}
	signed := scopeOf(request)
	account := r.accounts.of(signed.accessKey)
	// The emulator obeys this header before any credentials; so must the record.
	if forced := request.Header.Get("X-Moto-Account-Id"); forced != "" {
		account = forced
	}
	current := &underWay{form: form, entry: Entry{
		Time:      time.Now().UTC(),
		AccessKey: signed.accessKey,
		Account:   account,
		Service:   signed.service,
		Region:    signed.region,
		Operation: operationOf(request, signed.service, form),
		Method:    request.Method,
		Path:      request.URL.Path,
		Agent:     shortened(request.UserAgent(), 120),
	}}
	r.proxy.ServeHTTP(w, request.WithContext(context.WithValue(request.Context(), underWayKey{}, current)))
}

// answered writes the request down and learns from answers that issue keys. It runs before the client sees the answer,
// so whoever has an answer finds the request in the log, and a new key is known before its first use.
func (r *recorder) answered(response *http.Response) error {
	current, ok := response.Request.Context().Value(underWayKey{}).(*underWay)
	if !ok {
		return errors.New("a request without a record")
	}
	if response.StatusCode == http.StatusOK && issuesKeys(current.entry.Service, current.entry.Operation) {
		head, err := io.ReadAll(io.LimitReader(response.Body, maxInspected))
		if err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
		response.Body = rejoined{Reader: io.MultiReader(bytes.NewReader(head), response.Body), Closer: response.Body}
		r.accounts.learn(current.entry.Account, current.form, head)
	}
	current.entry.Status = response.StatusCode
	return r.log.write(current.entry)
}

// failed writes down a request that got no answer, and tells the client.
func (r *recorder) failed(w http.ResponseWriter, request *http.Request, cause error) {
	r.problems.Printf("%s %s: %v", request.Method, request.URL.Path, cause)
	if current, ok := request.Context().Value(underWayKey{}).(*underWay); ok && current.entry.Status == 0 {
		current.entry.Status = http.StatusBadGateway
		if err := r.log.write(current.entry); err != nil {
			r.problems.Print(err)
		}
	}
	http.Error(w, "wirerecorder: "+cause.Error(), http.StatusBadGateway)
}

func shortened(text string, length int) string {
	if len(text) > length {
		return text[:length]
	}
	return text
}
