package language

import (
	"regexp"
	"time"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// defaultPortWait is how long a port may take to open when the package does not say.
const defaultPortWait = 2 * time.Minute

var protocolPattern = regexp.MustCompile(`^[a-zA-Z0-9+.-]*$`)

// portSpecBuiltin is the type PortSpec with its parameters.
type portSpecBuiltin struct {
	*typeBuiltin
	number      *param[int64]
	transport   *param[string]
	application *param[string]
	wait        *param[time.Duration]
	url         *param[string]
}

var portSpecType = newPortSpecType()

func newPortSpecType() *portSpecBuiltin {
	application := kind[string]{
		name: "string",
		check: func(value starlark.Value) string {
			if reason := anyText.check(value); reason != "" {
				return reason
			}
			if text, _ := starlark.AsString(value); !protocolPattern.MatchString(text) {
				return "must match " + protocolPattern.String() + ", got " + shorten(text)
			}
			return ""
		},
		convert: anyText.convert,
	}
	t := &portSpecBuiltin{
		number:      unset("number", integer(1, 65535), "Port number inside the container."),
		transport:   optional("transport_protocol", oneOf("TCP", "UDP", "SCTP"), "TCP", `"TCP"`, "TCP, UDP or SCTP.").formerly("protocol"),
		application: unset("application_protocol", application, "Protocol spoken on the port, for example \"http\". There is no default."),
		wait:        optional("wait", durationOrNone, defaultPortWait, `"2m"`, "How long the port may take to open after the service started; None means that it is not waited for.").noneMatters(),
		url:         unset("url", text, "Address shown for the port; derived from the application protocol when left out."),
	}
	t.typeBuiltin = newType("PortSpec", "A port that a service listens on.", t.number, t.transport, t.application, t.wait, t.url)
	return t
}

// port is a PortSpec.
var port = typedKind(portSpecType.typeBuiltin, func(a *arguments, _ *typed) plan.Port {
	t := portSpecType
	if !t.number.given(a) {
		a.scope.problem(a.path("number"), "is missing: it must be an int between 1 and 65535")
	}
	return plan.Port{
		Number: int(t.number.of(a)), Transport: t.transport.of(a), Application: t.application.of(a), Wait: t.wait.of(a), URL: t.url.of(a),
	}
})

// portValue is a port as instructions give it back: with the defaults filled in and the address derived.
func portValue(service string, spec plan.Port) *typed {
	values := make([]starlark.Value, len(portSpecType.parameters))
	t := portSpecType
	values[t.number.index] = starlark.MakeInt(spec.Number)
	values[t.transport.index] = starlark.String(spec.Transport)
	if spec.Wait > 0 {
		values[t.wait.index] = starlark.String(spec.Wait.String())
	}
	if spec.Application != "" {
		values[t.application.index] = starlark.String(spec.Application)
	}
	switch {
	case spec.URL != "":
		values[t.url.index] = starlark.String(spec.URL)
	case spec.Application != "":
		values[t.url.index] = starlark.String(portURL(service, spec))
	}
	return &typed{of: t.typeBuiltin, values: values}
}
