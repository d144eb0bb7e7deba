package enclave

import (
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func TestHostTemplates(t *testing.T) {
	const template = HostTemplate("{port}-{service}-{enclave}.dev.example.com")
	host, err := template.Of("dev", "api", "HTTP_admin")
	if err != nil || host != "http-admin-api-dev.dev.example.com" {
		t.Error(host, err)
	}
	for text, want := range map[string]string{
		"{service}.example.com":                 "same host",
		"{service}-{enclave}-{run}.example.com": "placeholder",
		"{service}-{enclave}..example.com":      `part ""`,
		"{service}-{enclave}.Example.com":       "lower-case",
		"":                                      "same host",
	} {
		if err := CheckHostTemplate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := template.Of("dev", strings.Repeat("a", 60), "http"); err == nil || !strings.Contains(err.Error(), "1 to 63") {
		t.Errorf("a part that is too long must be told: %v", err)
	}
}

func TestExposureMustBeWhole(t *testing.T) {
	for want, exposure := range map[string]*Exposure{
		"give None, NodePort": {Mode: "Nodeport"},
		"ingress.host":        {Mode: ExposeIngress},
		"gateway.host":        {Mode: ExposeGateway},
		"gateway.name":        {Mode: ExposeGateway, Gateway: &Gateway{Host: "{service}-{enclave}.example.com"}},
		"placeholder":         {Mode: ExposeIngress, Ingress: &Ingress{Host: "{service}-{enclave}-{x}.example.com"}},
	} {
		if err := exposure.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", exposure, err, want)
		}
	}
	for _, exposure := range []*Exposure{nil, {}, {Mode: ExposeNodePort}, {Mode: ExposeIngress, Ingress: &Ingress{Host: "{port}-{service}-{enclave}.example.com"}}} {
		if err := exposure.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestHostURL(t *testing.T) {
	port := func(application, url, host string, number int, secure bool) PublishedPort {
		return PublishedPort{Port: plan.Port{Application: application, URL: url}, Host: host, HostPort: number, Secure: secure}
	}
	for want, published := range map[string]PublishedPort{
		"":                             port("http", "", "", 0, false),
		"http://127.0.0.1:80":          port("http", "", "127.0.0.1", 80, false),
		"http://api.example.com":       port("HTTP", "", "api.example.com", 80, false),
		"https://api.example.com":      port("http", "", "api.example.com", 443, true),
		"https://a.example.com:8443/x": port("", "http://api:80/x", "a.example.com", 8443, true),
		"wss://a.example.com":          port("ws", "", "a.example.com", 443, true),
		"postgresql://127.0.0.1:5/db":  port("postgresql", "postgresql://db:5432/db", "127.0.0.1", 5, false),
	} {
		if got := published.HostURL(); got != want {
			t.Errorf("%+v: %q, want %q", published, got, want)
		}
	}
}
