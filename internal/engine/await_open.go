package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// awaitOpen waits until the ports of a started service are open that its plan waits for. It works without the plan: the
// service's container knows them.
func (e *Engine) awaitOpen(ctx context.Context, enclaveName string, service *enclave.Service) error {
	start := time.Now()
	for _, id := range sortedKeys(service.Ports) {
		port := service.Ports[id]
		if port.Wait <= 0 || port.Transport == "SCTP" {
			continue
		}
		what := fmt.Sprintf("port %q (%d/%s) of service %q", id, port.Number, strings.ToLower(port.Transport), service.Name)
		if err := e.awaitDial(ctx, enclaveName, service.Name, port, start, what); err != nil {
			return e.withLog(ctx, enclaveName, service.Name, err)
		}
	}
	return nil
}

func (e *Engine) awaitDial(ctx context.Context, enclaveName, service string, port enclave.PublishedPort, start time.Time, what string) error {
	for pause := shortestPause; ; pause = min(time.Duration(float64(pause)*pauseGrowth), longestPause) {
		attempt, cancel := context.WithTimeout(ctx, dialTime)
		conn, err := e.backend.Dial(attempt, enclaveName, service, strings.ToLower(port.Transport), port.Number)
		cancel()
		if err == nil {
			return conn.Close()
		}
		if found, lookErr := e.backend.Service(ctx, enclaveName, service); lookErr == nil && (found.State == enclave.StateExited || found.State == enclave.StateStopped) {
			return fmt.Errorf("service %q %s before its %s was open", service, endedHow(found), strings.TrimSuffix(what, fmt.Sprintf(" of service %q", service)))
		}
		if ctx.Err() != nil || time.Since(start) >= port.Wait {
			return fmt.Errorf("%s was not open within %s; last attempt: %w", what, time.Since(start).Round(100*time.Millisecond), err)
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("interrupted while waiting for %s to open: %w", what, err)
		}
	}
}
