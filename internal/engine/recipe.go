package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// The fields of a recipe's result.
const (
	fieldCode    = "code"
	fieldOutput  = "output"
	fieldBody    = "body"
	extractField = "extract."
)

// bodyLimit is how much of an answer is read. Packages ask for small documents; a larger one is an error, not a crash.
const bodyLimit = 64 << 20

// ask carries out a resolved recipe on a service and gives its fields. The code is not judged.
func (e *Engine) ask(ctx context.Context, enclaveName string, w *world, service string, recipe plan.Recipe) (map[string]any, error) {
	switch recipe := recipe.(type) {
	case *plan.ExecRecipe:
		return e.askByExec(ctx, enclaveName, service, recipe)
	case *plan.HTTPRecipe:
		return e.askByHTTP(ctx, enclaveName, w, service, recipe)
	default:
		return nil, errors.New("a recipe is missing")
	}
}

func (e *Engine) askByExec(ctx context.Context, enclaveName, service string, recipe *plan.ExecRecipe) (map[string]any, error) {
	result, err := e.backend.Exec(ctx, enclaveName, service, enclave.ExecRequest{Command: recipe.Command})
	if err != nil {
		return nil, err
	}
	// A record is JSON, so that a value would come back changed if it were not valid UTF-8.
	output := strings.ToValidUTF8(result.Output, "\uFFFD")
	fields := map[string]any{fieldCode: int64(result.Code), fieldOutput: output}
	if err := extract(ctx, fields, recipe.Extract, output); err != nil {
		return fields, err
	}
	return fields, nil
}

func (e *Engine) askByHTTP(ctx context.Context, enclaveName string, w *world, service string, recipe *plan.HTTPRecipe) (fields map[string]any, err error) {
	known := w.service(service)
	if known == nil {
		return nil, fmt.Errorf("service %q: %w in the enclave", service, enclave.ErrNotFound)
	}
	port, found := known.Ports[recipe.PortID]
	if !found {
		return nil, fmt.Errorf("service %q has no port %q: its ports are %s", service, recipe.PortID, quoted(sortedKeys(known.Ports)))
	}
	request, err := newRequest(ctx, service, port.Number, recipe)
	if err != nil {
		return nil, err
	}
	dialer := enclaveDialer{engine: e, enclave: enclaveName, world: w, service: service}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.dial, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, bodyLimit+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > bodyLimit {
		return nil, fmt.Errorf("the answer is larger than %d MiB", bodyLimit>>20)
	}
	text := strings.ToValidUTF8(string(body), "\uFFFD")
	fields = map[string]any{fieldCode: int64(response.StatusCode), fieldBody: text}
	if len(recipe.Extract) == 0 {
		return fields, nil
	}
	input, err := decodeJSON(body)
	if err != nil {
		// The code tells more than the body's first byte that is no JSON.
		return fields, fmt.Errorf("the answer with status code %d is not JSON, so nothing can be extracted from it: %w", response.StatusCode, err)
	}
	return fields, extract(ctx, fields, recipe.Extract, input)
}

func newRequest(ctx context.Context, service string, port int, recipe *plan.HTTPRecipe) (*http.Request, error) {
	var body io.Reader
	if recipe.Method == http.MethodPost {
		body = strings.NewReader(recipe.Body)
	}
	address := "http://" + net.JoinHostPort(service, strconv.Itoa(port)) + recipe.Endpoint
	request, err := http.NewRequestWithContext(ctx, recipe.Method, address, body)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q makes no URL: %w", recipe.Endpoint, err)
	}
	for _, name := range sortedKeys(recipe.Headers) {
		request.Header.Set(name, recipe.Headers[name])
		if strings.EqualFold(name, "Host") {
			request.Host = recipe.Headers[name]
		}
	}
	if recipe.Method == http.MethodPost && recipe.ContentType != "" {
		request.Header.Set("Content-Type", recipe.ContentType)
	}
	return request, nil
}

// enclaveDialer connects an HTTP client to the services of an enclave and to nothing else.
type enclaveDialer struct {
	engine  *Engine
	enclave string
	world   *world
	service string // to which the request goes
}

// dial finds the service that an address means. A redirect to the service's own loopback is the service itself.
func (d enclaveDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	service, found := d.find(host)
	if !found {
		return nil, fmt.Errorf("the answer redirects to %s, which is no service of the enclave", address)
	}
	return d.engine.backend.Dial(ctx, d.enclave, service, network, port)
}

func (d enclaveDialer) find(host string) (service string, found bool) {
	if host == d.service || host == "localhost" {
		return d.service, true
	}
	if address, err := netip.ParseAddr(host); err == nil && address.IsLoopback() {
		return d.service, true
	}
	d.world.mutex.Lock()
	defer d.world.mutex.Unlock()
	for _, name := range sortedKeys(d.world.services) {
		known := d.world.services[name]
		if host == name || host == known.Hostname || host == known.IPAddress || slices.Contains(known.Aliases, host) {
			return name, true
		}
	}
	return "", false
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = strconv.Quote(name)
	}
	return strings.Join(texts, ", ")
}

// checkCode judges the code that an exec, a request or a task ended with.
func checkCode(acceptance plan.Acceptance, code int64) bool {
	return acceptance.Skip || slices.Contains(acceptance.Codes, code)
}

// codesText says which codes are acceptable.
func codesText(codes []int64) string {
	if len(codes) == 0 {
		return "no code is acceptable"
	}
	texts := make([]string, len(codes))
	for i, code := range codes {
		texts[i] = strconv.FormatInt(code, 10)
	}
	return "only " + strings.Join(texts, ", ") + " is acceptable"
}
