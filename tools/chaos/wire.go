package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/tools/cluster"
)

// wire stands between what is tested and the engine. It passes everything on, counts the calls that change something, and
// strikes at one of them.
type wire struct {
	target    *url.URL
	transport http.RoundTripper
	listen    func(ctx context.Context) (net.Listener, error)
	// changes tells whether a call changes something.
	changes func(r *http.Request) bool
	// Calls at which a gentle wire strikes reach who they were for all the same, unless the strike itself keeps them from it.
	gentle bool

	mutex   sync.Mutex
	server  *http.Server
	aim     *aim
	changed int
	first   time.Time
}

// The points of a call at which a strike may come.
const (
	pointBefore = "before" // the engine never hears of the call
	pointDuring = "during" // the engine is at it
	pointAfter  = "after"  // it is done, and who asked never hears of it
)

// aim says when to strike: at a call, or some time after the first one.
type aim struct {
	call   int // counted from 1; 0 means by time
	point  string
	after  time.Duration
	strike func()
}

// open has the wire listen.
func (w *wire) open(ctx context.Context) error {
	listener, err := w.listen(ctx)
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = w.target.Scheme, w.target.Host, r.In.Host
		},
		Transport: w.transport, FlushInterval: -1,
		// What is cut off is meant to be.
		ErrorLog: log.New(io.Discard, "", 0),
		ModifyResponse: func(response *http.Response) error {
			if strike := after(response.Request.Context()); strike != nil {
				strike()
				if !w.gentle {
					return http.ErrAbortHandler
				}
			}
			return nil
		},
		// Who asked is to see what it would without a wire between: the connection ends.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if err := cluster.Buffer(r); err != nil {
			panic(http.ErrAbortHandler) // Whoever asked has gone.
		}
		proxy.ServeHTTP(rw, w.note(r))
	})}
	w.mutex.Lock()
	w.server = server
	w.mutex.Unlock()
	go func() { _ = server.Serve(listener) }() // It ends when the wire is closed.
	return nil
}

// close has every call fail as if there were no engine.
func (w *wire) close() {
	w.mutex.Lock()
	server := w.server
	w.mutex.Unlock()
	_ = server.Close() // What is under way is cut off, which is what is wanted.
}

type afterKey struct{}

// after gives the strike that is due once the answer to a call is there.
func after(ctx context.Context) func() {
	strike, _ := ctx.Value(afterKey{}).(func())
	return strike
}

// note counts a call, and strikes if it is the one.
func (w *wire) note(r *http.Request) *http.Request {
	if !w.changes(r) {
		return r
	}
	w.mutex.Lock()
	w.changed++
	if w.changed == 1 {
		w.first = time.Now()
	}
	call, aim := w.changed, w.aim
	w.mutex.Unlock()
	switch {
	case aim == nil:
	case aim.call == 0 && call == 1:
		time.AfterFunc(aim.after, aim.strike)
	case aim.call != call:
	case aim.point == pointBefore:
		aim.strike()
		if !w.gentle {
			panic(http.ErrAbortHandler)
		}
	case aim.point == pointDuring:
		go aim.strike()
	default:
		return r.WithContext(context.WithValue(r.Context(), afterKey{}, aim.strike))
	}
	return r
}

// arm begins to count anew, and strikes by the aim, which may be nil.
func (w *wire) arm(aim *aim) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.changed, w.first, w.aim = 0, time.Time{}, aim
}

// counted tells how many calls have changed something since arm, and when the first one was.
func (w *wire) counted() (changed int, first time.Time) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.changed, w.first
}
