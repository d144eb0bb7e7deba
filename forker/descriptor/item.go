package descriptor

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// Form tells in which form an identifier names a resource. A production identifier is replaced by the copy's
// identifier of the same form.
type Form string

// The forms.
const (
	ARN  Form = "arn"
	URL  Form = "url"
	Host Form = "host"
	ID   Form = "id"
	// Name is the resource's plain name. It is looked for only as a whole value, never inside a text, and only where it
	// is unmistakable: it is unique in the inventory, and the field's name speaks of the kind (Kind.Hints) or the name
	// has a separator in it.
	Name Form = "name"
)

// Identifier is one exact spelling by which other configurations mean a resource.
type Identifier struct {
	Form  Form
	Value string
	// Whole says that "/" and ":" after the value make it another resource's identifier. Without it they lead to
	// something inside of the resource, like an object of a bucket.
	Whole bool
}

// Item is one resource of production as a reader saw it.
type Item struct {
	// Kind is the name of the kind that it belongs to.
	Kind string
	// Name is unique among the kind's resources of one region; it becomes part of the key. Leading slashes are kept.
	Name string
	ARN  string
	Tags map[string]string
	// Config is the normalised configuration: nil, bool, numbers, string, []any and map[string]any, without anything
	// that changes by itself (counters, clocks). Nil tells that only the listing was read so far.
	Config any
	// Identifiers other than the ARN, which is always one.
	Identifiers []Identifier
	// Notes are what a user should know about a copy of this resource: what is never copied, and why.
	Notes []Note
	// Stub tells Fake that every value is to be made up, those that are no secret included.
	Stub bool
}

// Note is something that a user of a fork should know about one resource.
type Note struct {
	// Kind is for example "not-copied" or "hazard".
	Kind string
	// Severity is "info", "warning" or "error".
	Severity string
	Message  string
}

// Scope says where a reader looks.
type Scope struct {
	AccountID string
	Region    string
	Partition string // "aws", "aws-cn", "aws-us-gov"
	// Bases are the spellings of the emulator's endpoint, without a trailing slash; empty for real AWS.
	Bases []string
}

// ARN builds an ARN in the scope, for example scope.ARN("sqs", "orders").
func (s Scope) ARN(service, resource string) string {
	return "arn:" + s.Partition + ":" + service + ":" + s.Region + ":" + s.AccountID + ":" + resource
}

// DNSSuffix is the domain that the partition's endpoints end in.
func (s Scope) DNSSuffix() string {
	if s.Partition == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// URLs gives every spelling of a URL at a service's endpoint: that of real AWS for each host, then those of the
// emulator. Path begins with a slash.
func (s Scope) URLs(path string, hosts ...string) []Identifier {
	var identifiers []Identifier
	for _, host := range hosts {
		identifiers = append(identifiers, Identifier{Form: URL, Value: "https://" + host + path})
	}
	for _, base := range s.Bases {
		identifiers = append(identifiers, Identifier{Form: URL, Value: base + path})
	}
	return identifiers
}

// PartitionOf tells the partition that a region belongs to.
func PartitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	default:
		return "aws"
	}
}

// hostDocker is the name by which containers know the machine that they run on.
const hostDocker = "host.docker.internal"

// EndpointSpellings gives every spelling of an emulator's endpoint: as configured, as containers see it, and the other
// names of a loopback address.
func EndpointSpellings(endpoints ...string) []string {
	var bases []string
	add := func(base string) {
		if !slices.Contains(bases, base) {
			bases = append(bases, base)
		}
	}
	for _, endpoint := range endpoints {
		if endpoint == "" {
			continue
		}
		endpoint = strings.TrimRight(endpoint, "/")
		add(endpoint)
		parsed, err := url.Parse(endpoint)
		if err != nil || (!IsLoopback(parsed.Hostname()) && parsed.Hostname() != hostDocker) {
			continue
		}
		for _, host := range []string{"127.0.0.1", "localhost", hostDocker} {
			add(withHost(parsed, host))
		}
	}
	return bases
}

// EnclaveEndpoint derives how containers reach an endpoint of this machine: a loopback address becomes
// host.docker.internal, anything else stays.
func EnclaveEndpoint(endpoint string) string {
	endpoint = strings.TrimRight(endpoint, "/")
	parsed, err := url.Parse(endpoint)
	if err != nil || !IsLoopback(parsed.Hostname()) {
		return endpoint
	}
	return withHost(parsed, hostDocker)
}

// IsLoopback tells whether a host is this machine as it calls itself.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func withHost(parsed *url.URL, host string) string {
	changed := *parsed
	changed.Host = host
	if port := parsed.Port(); port != "" {
		changed.Host = net.JoinHostPort(host, port)
	}
	return changed.String()
}
