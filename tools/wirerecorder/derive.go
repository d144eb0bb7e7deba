package main

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxInspected is how much of a body is looked at, and thus held in memory: enough for the parameters that name an
// operation, which stand first in a form, and for an answer of the token service.
const maxInspected = 64 << 10

// scope is what a SigV4 signature says about a request.
type scope struct{ accessKey, region, service string }

// scopeOf reads the credential scope of a request's Authorization header, or of a pre-signed URL's query. The zero
// scope stands for an unsigned request.
func scopeOf(r *http.Request) scope {
	credential := r.URL.Query().Get("X-Amz-Credential")
	if _, after, found := strings.Cut(r.Header.Get("Authorization"), "Credential="); found {
		credential, _, _ = strings.Cut(after, ",")
	}
	// AccessKey/date/region/service/aws4_request; SigV4A has no region.
	parts := strings.Split(strings.TrimSpace(credential), "/")
	switch len(parts) {
	case 5:
		return scope{accessKey: parts[0], region: parts[2], service: parts[3]}
	case 4:
		return scope{accessKey: parts[0], region: r.Header.Get("X-Amz-Region-Set"), service: parts[2]}
	default:
		return scope{accessKey: parts[0]}
	}
}

// peekForm returns the parameters at the beginning of a form body and leaves the request's body as it was. Other
// bodies are not touched, whatever their size.
func peekForm(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || r.Body == nil {
		return url.Values{}, nil //nolint:nilerr // A content type that cannot be read is not a form's.
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, maxInspected))
	if err != nil {
		return nil, err
	}
	r.Body = rejoined{Reader: io.MultiReader(bytes.NewReader(head), r.Body), Closer: r.Body}
	// A form that is longer than what was read ends in the middle of a value, whose escapes may be cut: the parameters
	// that could be read are returned all the same.
	values, err := url.ParseQuery(string(head))
	if err != nil && len(values) == 0 {
		return nil, errors.New("the form cannot be read")
	}
	return values, nil
}

// rejoined is a body whose beginning was read already.
type rejoined struct {
	io.Reader
	io.Closer
}

// operationOf derives the API operation of a request from the wire: every AWS protocol says it in another place.
func operationOf(r *http.Request, service string, form url.Values) string {
	// S3 knows none of the following, so none of it may lend a write the name of a read.
	if service == "s3" || service == "s3express" {
		return s3Operation(r)
	}
	// The JSON protocols: X-Amz-Target: AmazonSQS.ListQueues.
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndexByte(target, '.')+1:]
	}
	// RPC v2 CBOR: /service/GraniteServiceVersion20100801/operation/ListMetrics.
	if r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" {
		if _, operation, found := strings.Cut(r.URL.Path, "/operation/"); found && operation != "" {
			return operation
		}
	}
	// The query protocols, in the body or, by old clients, in the URL.
	if action := form.Get("Action"); action != "" {
		return action
	}
	if action := r.URL.Query().Get("Action"); action != "" {
		return action
	}
	return r.Method + " " + r.URL.Path
}
