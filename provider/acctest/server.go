// Package acctest helps the provider's tests: it drives the provider's server without any CLI, and it writes the
// configurations and packages that acceptance tests share. Nothing of it is part of the provider.
package acctest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Server drives a provider over its protocol, the way a CLI does, in the same process.
type Server struct {
	server  tfprotov6.ProviderServer
	schemas *tfprotov6.GetProviderSchemaResponse
}

// NewServer starts a provider.
func NewServer(t *testing.T, factory func() provider.Provider) *Server {
	t.Helper()
	server, err := providerserver.NewProtocol6WithError(factory())()
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if text := Errors(schemas.Diagnostics); text != "" {
		t.Fatal(text)
	}
	return &Server{server: server, schemas: schemas}
}

// Values are attributes of a configuration by name; what is left out is null.
type Values map[string]tftypes.Value

// Configure configures the provider.
func (s *Server) Configure(t *testing.T, values Values) string {
	t.Helper()
	config := Build(t, s.schemas.Provider.ValueType(), values)
	response, err := s.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{TerraformVersion: "1.11.4", Config: encode(t, config)})
	if err != nil {
		t.Fatal(err)
	}
	return Errors(response.Diagnostics)
}

// Schema gives the schema of a resource type.
func (s *Server) Schema(t *testing.T, resource string) *tfprotov6.Schema {
	t.Helper()
	schema, found := s.schemas.ResourceSchemas[resource]
	if !found {
		t.Fatalf("there is no resource %s", resource)
	}
	return schema
}

// Validate validates a resource's configuration.
func (s *Server) Validate(t *testing.T, resource string, values Values) []*tfprotov6.Diagnostic {
	t.Helper()
	config := Build(t, s.Schema(t, resource).ValueType(), values)
	response, err := s.server.ValidateResourceConfig(t.Context(), &tfprotov6.ValidateResourceConfigRequest{
		TypeName: resource, Config: encode(t, config),
		ClientCapabilities: &tfprotov6.ValidateResourceConfigClientCapabilities{WriteOnlyAttributesAllowed: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return response.Diagnostics
}

// State is an object as a CLI keeps it.
type State struct {
	Value   tftypes.Value
	Private []byte
}

// Planned is what a plan says.
type Planned struct {
	State
	Diagnostics []*tfprotov6.Diagnostic
	Replace     []*tftypes.AttributePath
}

// Plan plans a resource; prior is nil for a create.
func (s *Server) Plan(t *testing.T, resource string, values Values, prior *State) Planned {
	t.Helper()
	schema := s.Schema(t, resource)
	config := Build(t, schema.ValueType(), values)
	priorValue, priorPrivate := tftypes.NewValue(schema.ValueType(), nil), []byte(nil)
	if prior != nil {
		priorValue, priorPrivate = prior.Value, prior.Private
	}
	response, err := s.server.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: resource, PriorState: encode(t, priorValue), PriorPrivate: priorPrivate,
		ProposedNewState: encode(t, proposed(t, schema, config, priorValue)), Config: encode(t, config),
	})
	if err != nil {
		t.Fatal(err)
	}
	planned := Planned{Diagnostics: response.Diagnostics, Replace: response.RequiresReplace}
	if response.PlannedState != nil {
		planned.Value, planned.Private = decode(t, response.PlannedState, schema.ValueType()), response.PlannedPrivate
	}
	return planned
}

// Apply applies a plan; prior is nil for a create.
func (s *Server) Apply(t *testing.T, resource string, values Values, prior *State, planned Planned) (*State, []*tfprotov6.Diagnostic) {
	t.Helper()
	schema := s.Schema(t, resource)
	priorValue := tftypes.NewValue(schema.ValueType(), nil)
	if prior != nil {
		priorValue = prior.Value
	}
	config := tftypes.NewValue(schema.ValueType(), nil)
	if values != nil {
		config = Build(t, schema.ValueType(), values)
	}
	response, err := s.server.ApplyResourceChange(t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: resource, PriorState: encode(t, priorValue), PlannedState: encode(t, planned.Value), Config: encode(t, config),
		PlannedPrivate: planned.Private,
	})
	if err != nil {
		t.Fatal(err)
	}
	state := decode(t, response.NewState, schema.ValueType())
	if state.IsNull() {
		return nil, response.Diagnostics
	}
	return &State{Value: state, Private: response.Private}, response.Diagnostics
}

// Destroy plans and applies the deletion of an object. Private replaces the planned private data where it is not nil: a
// replacement's delete gets the private data of its create.
func (s *Server) Destroy(t *testing.T, resource string, prior *State, private []byte) []*tfprotov6.Diagnostic {
	t.Helper()
	schema := s.Schema(t, resource)
	null := encode(t, tftypes.NewValue(schema.ValueType(), nil))
	response, err := s.server.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: resource, PriorState: encode(t, prior.Value), PriorPrivate: prior.Private, ProposedNewState: null, Config: null,
	})
	if err != nil {
		t.Fatal(err)
	}
	if private == nil {
		private = response.PlannedPrivate
	}
	_, diagnostics := s.Apply(t, resource, nil, prior, Planned{State: State{Value: tftypes.NewValue(schema.ValueType(), nil), Private: private}})
	return diagnostics
}

// Read refreshes an object; nil tells that it is gone.
func (s *Server) Read(t *testing.T, resource string, current *State) (*State, []*tfprotov6.Diagnostic) {
	t.Helper()
	schema := s.Schema(t, resource)
	response, err := s.server.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{
		TypeName: resource, CurrentState: encode(t, current.Value), Private: current.Private,
	})
	if err != nil {
		t.Fatal(err)
	}
	if response.NewState == nil {
		return nil, response.Diagnostics
	}
	state := decode(t, response.NewState, schema.ValueType())
	if state.IsNull() {
		return nil, response.Diagnostics
	}
	return &State{Value: state, Private: response.Private}, response.Diagnostics
}

// ReadData reads a data source.
func (s *Server) ReadData(t *testing.T, dataSource string, values Values) (tftypes.Value, []*tfprotov6.Diagnostic) {
	t.Helper()
	schema, found := s.schemas.DataSourceSchemas[dataSource]
	if !found {
		t.Fatalf("there is no data source %s", dataSource)
	}
	response, err := s.server.ReadDataSource(t.Context(), &tfprotov6.ReadDataSourceRequest{
		TypeName: dataSource, Config: encode(t, Build(t, schema.ValueType(), values)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, response.State, schema.ValueType()), response.Diagnostics
}

// Build makes an object of a type; attributes that are left out are null.
func Build(t *testing.T, typ tftypes.Type, values Values) tftypes.Value {
	t.Helper()
	object, ok := typ.(tftypes.Object)
	if !ok {
		t.Fatalf("%s is no object", typ)
	}
	attributes := map[string]tftypes.Value{}
	for name, attributeType := range object.AttributeTypes {
		value, given := values[name]
		if !given {
			value = tftypes.NewValue(attributeType, nil)
		}
		attributes[name] = value
	}
	for name := range values {
		if _, known := object.AttributeTypes[name]; !known {
			t.Fatalf("there is no attribute %s", name)
		}
	}
	return tftypes.NewValue(object, attributes)
}

// proposed is what a CLI proposes: the configuration, and for computed attributes that it leaves out what was before.
func proposed(t *testing.T, schema *tfprotov6.Schema, config, prior tftypes.Value) tftypes.Value {
	t.Helper()
	attributes := attributesOf(t, config)
	var before map[string]tftypes.Value
	if !prior.IsNull() {
		before = attributesOf(t, prior)
	}
	for _, attribute := range schema.Block.Attributes {
		if !attribute.Computed || !attributes[attribute.Name].IsNull() {
			if attribute.WriteOnly {
				attributes[attribute.Name] = tftypes.NewValue(attribute.ValueType(), nil)
			}
			continue
		}
		attributes[attribute.Name] = tftypes.NewValue(attribute.ValueType(), tftypes.UnknownValue)
		if before != nil {
			attributes[attribute.Name] = before[attribute.Name]
		}
	}
	return tftypes.NewValue(schema.ValueType(), attributes)
}

func attributesOf(t *testing.T, value tftypes.Value) map[string]tftypes.Value {
	t.Helper()
	attributes := map[string]tftypes.Value{}
	if err := value.As(&attributes); err != nil {
		t.Fatal(err)
	}
	return maps.Clone(attributes)
}

// At finds a value by path segments: strings name attributes and map keys.
func At(t *testing.T, value tftypes.Value, segments ...string) tftypes.Value {
	t.Helper()
	for _, segment := range segments {
		if !value.IsKnown() {
			return value
		}
		inner, found := attributesOf(t, value)[segment]
		if !found {
			t.Fatalf("there is no %s in %s", segment, value)
		}
		value = inner
	}
	return value
}

// Text is a known string, "(null)" or "(unknown)".
func Text(t *testing.T, value tftypes.Value) string {
	t.Helper()
	switch {
	case !value.IsKnown():
		return "(unknown)"
	case value.IsNull():
		return "(null)"
	}
	var text string
	if err := value.As(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// Keys are the keys of a known map or object, sorted.
func Keys(t *testing.T, value tftypes.Value) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(attributesOf(t, value)))
}

// Errors joins summary, detail and attribute of those diagnostics that are errors; empty for none.
func Errors(diagnostics []*tfprotov6.Diagnostic) string {
	return joined(diagnostics, tfprotov6.DiagnosticSeverityError)
}

// Warnings is the same for warnings.
func Warnings(diagnostics []*tfprotov6.Diagnostic) string {
	return joined(diagnostics, tfprotov6.DiagnosticSeverityWarning)
}

func joined(diagnostics []*tfprotov6.Diagnostic, severity tfprotov6.DiagnosticSeverity) string {
	var lines []string
	for _, diagnostic := range diagnostics {
		if diagnostic.Severity != severity {
			continue
		}
		line := diagnostic.Summary + ": " + diagnostic.Detail
		if diagnostic.Attribute != nil {
			line = diagnostic.Attribute.String() + ": " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func encode(t *testing.T, value tftypes.Value) *tfprotov6.DynamicValue {
	t.Helper()
	encoded, err := tfprotov6.NewDynamicValue(value.Type(), value)
	if err != nil {
		t.Fatal(err)
	}
	return &encoded
}

func decode(t *testing.T, value *tfprotov6.DynamicValue, typ tftypes.Type) tftypes.Value {
	t.Helper()
	decoded, err := value.Unmarshal(typ)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// String, Unknown and Object are short for values of configurations.
func String(text string) tftypes.Value { return tftypes.NewValue(tftypes.String, text) }

// Unknown is an unknown value of a type.
func Unknown(typ tftypes.Type) tftypes.Value { return tftypes.NewValue(typ, tftypes.UnknownValue) }

// Number is a number.
func Number(number int64) tftypes.Value { return tftypes.NewValue(tftypes.Number, number) }

// Object is an object literal.
func Object(values Values) tftypes.Value {
	types := map[string]tftypes.Type{}
	for name, value := range values {
		types[name] = value.Type()
	}
	return tftypes.NewValue(tftypes.Object{AttributeTypes: types}, map[string]tftypes.Value(values))
}
