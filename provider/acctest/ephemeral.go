package acctest

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Opened is an ephemeral resource while it is open.
type Opened struct {
	Value   tftypes.Value
	private []byte
	// Diagnostics of opening it.
	Diagnostics []*tfprotov6.Diagnostic
}

// Open opens an ephemeral resource; its value is null where that failed.
func (s *Server) Open(t *testing.T, resource string, values Values) *Opened {
	t.Helper()
	schema, found := s.schemas.EphemeralResourceSchemas[resource]
	if !found {
		t.Fatalf("there is no ephemeral resource %s", resource)
	}
	response, err := s.server.OpenEphemeralResource(t.Context(), &tfprotov6.OpenEphemeralResourceRequest{
		TypeName: resource, Config: encode(t, Build(t, schema.ValueType(), values)),
	})
	if err != nil {
		t.Fatal(err)
	}
	opened := &Opened{private: response.Private, Diagnostics: response.Diagnostics}
	if response.Result != nil {
		opened.Value = decode(t, response.Result, schema.ValueType())
	}
	return opened
}

// Close closes an ephemeral resource.
func (s *Server) Close(t *testing.T, resource string, opened *Opened) []*tfprotov6.Diagnostic {
	t.Helper()
	response, err := s.server.CloseEphemeralResource(t.Context(), &tfprotov6.CloseEphemeralResourceRequest{TypeName: resource, Private: opened.private})
	if err != nil {
		t.Fatal(err)
	}
	return response.Diagnostics
}
