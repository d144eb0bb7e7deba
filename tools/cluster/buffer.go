package cluster

import (
	"bytes"
	"io"
	"net/http"
)

// Buffer reads a request's body before it is passed on. A proxy that is answered before it has seen the end of a body, however
// short the time, has its connection closed by Go's own server and transport, which would be taken for a failure of whoever answered.
func Buffer(request *http.Request) error {
	if request.ContentLength <= 0 {
		return nil
	}
	content, err := io.ReadAll(request.Body)
	if err != nil {
		return err
	}
	request.Body = io.NopCloser(bytes.NewReader(content))
	return nil
}
