package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// ErrForbidden tells that an operation may not be sent to production. Nothing has left the process.
var ErrForbidden = errors.New("production is only read")

type dataKey struct{}

// AllowData lets reads of class data through, for a resource whose rule asks for its data.
func AllowData(ctx context.Context) context.Context {
	return context.WithValue(ctx, dataKey{}, true)
}

func allowsData(ctx context.Context) bool {
	allowed, _ := ctx.Value(dataKey{}).(bool)
	return allowed
}

// Table is the list of reads that production may be sent: what is not in it is forbidden.
type Table struct {
	// rows by the SDK's service id and operation.
	rows map[string]map[string]descriptor.Operation
	// signed are the same rows by the service's name in a signature.
	signed map[string]*signedService
}

type signedService struct {
	rest bool
	rows map[string]descriptor.Operation
}

const (
	stsID   = "STS"
	stsName = "sts"
)

// NewTable gathers the rows of all descriptors, and asking who one is.
func NewTable(services []descriptor.Descriptor) *Table {
	table := &Table{rows: map[string]map[string]descriptor.Operation{}, signed: map[string]*signedService{}}
	table.add(stsID, stsName, false, descriptor.Operation{
		Name: "GetCallerIdentity", Class: descriptor.Meta, Actions: []string{"sts:GetCallerIdentity"},
	})
	for _, service := range services {
		table.add(service.ID, service.SigningName, service.REST, service.Operations...)
	}
	return table
}

func (t *Table) add(id, signingName string, rest bool, operations ...descriptor.Operation) {
	if t.rows[id] == nil {
		t.rows[id] = map[string]descriptor.Operation{}
	}
	if t.signed[signingName] == nil {
		t.signed[signingName] = &signedService{rows: map[string]descriptor.Operation{}}
	}
	t.signed[signingName].rest = t.signed[signingName].rest || rest
	for _, operation := range operations {
		t.rows[id][operation.Name] = operation
		t.signed[signingName].rows[operation.Name] = operation
	}
}

// guard puts both guards into a configuration: one before anything is built, one on the finished request.
func (t *Table) guard(config *aws.Config, gentle bool) {
	config.APIOptions = append(config.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("ReadOnlyGuard",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
				middleware.InitializeOutput, middleware.Metadata, error,
			) {
				service, operation := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
				if err := t.allow(ctx, service, operation, in.Parameters); err != nil {
					return middleware.InitializeOutput{}, middleware.Metadata{}, err
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
	})
	var pace *pacer
	if gentle {
		pace = newPacer(requestsPerSecond, requestBurst)
	}
	config.HTTPClient = &guardedClient{table: t, next: config.HTTPClient, pace: pace}
}

// allow is the first guard's decision.
func (t *Table) allow(ctx context.Context, service, operation string, input any) error {
	row, known := t.rows[service][operation]
	if !known {
		return fmt.Errorf("%w: %s %s is not on the list of reads", ErrForbidden, service, operation)
	}
	data := row.Class == descriptor.Data || row.DataWhen != nil && row.DataWhen(input)
	if data && !allowsData(ctx) {
		return fmt.Errorf("%w: %s %s returns data, which no rule asks for", ErrForbidden, service, operation)
	}
	return nil
}

// guardedClient is the second guard: it reads the operation off the signed request and refuses again.
type guardedClient struct {
	table *Table
	next  aws.HTTPClient
	pace  *pacer
}

// Do sends a request that is a read.
func (c *guardedClient) Do(request *http.Request) (*http.Response, error) {
	service, err := c.table.allowRequest(request)
	if err != nil {
		return nil, err
	}
	if c.pace != nil {
		if err := c.pace.wait(request.Context(), service+"@"+request.URL.Host); err != nil {
			return nil, err
		}
	}
	return c.next.Do(request)
}

// allowRequest decides by the request alone, which is all that production will see.
func (t *Table) allowRequest(request *http.Request) (string, error) {
	name := signingName(request)
	service, known := t.signed[name]
	if !known {
		return "", fmt.Errorf("%w: a request to %s is signed for %q, which is not on the list", ErrForbidden, request.URL.Host, name)
	}
	operation, body, err := operationOf(request)
	if err != nil {
		return "", err
	}
	if operation == "" {
		if service.rest && (request.Method == http.MethodGet || request.Method == http.MethodHead) {
			return name, nil
		}
		return "", fmt.Errorf("%w: %s %s of %s is no read", ErrForbidden, request.Method, request.URL.Path, name)
	}
	row, known := service.rows[operation]
	if !known {
		return "", fmt.Errorf("%w: the request carries %s %s, which is not on the list of reads", ErrForbidden, name, operation)
	}
	data := row.Class == descriptor.Data || row.DataField != "" && fieldIsTrue(body, row.DataField)
	if data && !allowsData(request.Context()) {
		return "", fmt.Errorf("%w: the request carries %s %s, which returns data that no rule asks for", ErrForbidden, name, operation)
	}
	return name, nil
}

// signingName reads the service off the signature's scope: date/region/service/aws4_request.
func signingName(request *http.Request) string {
	credential := request.URL.Query().Get("X-Amz-Credential")
	if credential == "" {
		_, credential, _ = strings.Cut(request.Header.Get("Authorization"), "Credential=")
		credential, _, _ = strings.Cut(credential, ",")
	}
	parts := strings.Split(credential, "/")
	if len(parts) < 5 {
		return ""
	}
	return parts[len(parts)-2]
}

// operationOf reads the operation off the shapes that requests have. Empty: the operation is in method and path.
func operationOf(request *http.Request) (operation string, body []byte, err error) {
	if request.Body != nil && request.Method == http.MethodPost {
		if body, err = io.ReadAll(request.Body); err != nil {
			return "", nil, fmt.Errorf("read a request before it is sent: %w", err)
		}
		_ = request.Body.Close() // It was read whole, and an in-memory reader takes its place.
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	if target := request.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndex(target, ".")+1:], body, nil
	}
	if _, after, found := strings.Cut(request.URL.Path, "/operation/"); found && strings.HasPrefix(request.URL.Path, "/service/") {
		return after, body, nil
	}
	if strings.HasPrefix(request.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return "", nil, fmt.Errorf("%w: the request's form cannot be read", ErrForbidden)
		}
		return form.Get("Action"), body, nil
	}
	return request.URL.Query().Get("Action"), body, nil
}

func fieldIsTrue(body []byte, field string) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		// What cannot be read may ask for data.
		return true
	}
	return string(fields[field]) == "true"
}

// guardBase limits base credentials, which exist only to assume a role.
func guardBase(config *aws.Config) {
	config.APIOptions = append(config.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("BaseGuard",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
				middleware.InitializeOutput, middleware.Metadata, error,
			) {
				if awsmiddleware.GetServiceID(ctx) != stsID || awsmiddleware.GetOperationName(ctx) != "AssumeRole" {
					return middleware.InitializeOutput{}, middleware.Metadata{},
						fmt.Errorf("%w: base credentials only assume a role", ErrForbidden)
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
	})
}
