package language

import (
	"strings"
	"testing"
)

// TestUnknownPorts looks into the ports of a service of another run in every way: each says what it is about, and those
// that a package is likely to use say what to do.
func TestUnknownPorts(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		`ports["sql"]`:          "existing_services",
		`ports.get("sql")`:      "existing_services",
		`ports.keys()`:          "existing_services",
		`ports.items()`:         "existing_services",
		`len(ports)`:            "unknown ports",
		`[p for p in ports]`:    "unknown ports",
		`{ports: 1}`:            "unknown ports",
		`fail(str(ports))`:      "(ports of db)",
		`"sql" in ports`:        "existing_services",
		`dict(ports)`:           "unknown ports",
		`fail(not bool(ports))`: "False",
	} {
		star := "def run(plan):\n    ports = plan.get_service(\"db\").ports\n    return " + expression + "\n"
		_, err := interpret(t, star, Request{SharedEnclave: true})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one that mentions %q", expression, err, want)
		}
	}
	// Handing it on is no use of it.
	star := "def run(plan):\n    db = plan.get_service(\"db\")\n    return str(struct(service = db)) + \" at \" + db.hostname\n"
	if made, err := interpret(t, star, Request{SharedEnclave: true}); err != nil {
		t.Error(err)
	} else if text, _ := made.Output.(string); !strings.Contains(text, "(ports of db)") {
		t.Errorf("the output is %q", text)
	}
}
