package enclave

import (
	"fmt"
	"regexp"
	"strings"
)

// LabelPrefix is the vocabulary of everything that Sundog makes, on Docker, in Kubernetes and in AWS tags alike.
const LabelPrefix = "sundog.dev/"

// The labels of Sundog.
const (
	LabelManagedBy = LabelPrefix + "managed-by" // always "sundog"
	LabelEnclave   = LabelPrefix + "enclave"
	LabelRun       = LabelPrefix + "run"
	LabelService   = LabelPrefix + "service"
	LabelDigest    = LabelPrefix + "digest"
	LabelOwner     = LabelPrefix + "owner"
	LabelRole      = LabelPrefix + "role" // network, service, task, store, volume, lock, image
	LabelExpiresAt = LabelPrefix + "expires-at"
)

// ManagedBy is the value of LabelManagedBy.
const ManagedBy = "sundog"

var (
	enclaveName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)
	serviceName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	ownerID     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
)

// CheckName checks an enclave's name: it becomes part of networks', containers' and namespaces' names.
func CheckName(name string) error {
	if !enclaveName.MatchString(name) {
		return fmt.Errorf("%q is no valid name: use 1 to 40 lower-case letters, digits and hyphens, starting with a letter and not ending in a hyphen", name)
	}
	return nil
}

// CheckServiceName checks that a name is an RFC 1035 label.
func CheckServiceName(name string) error {
	if !serviceName.MatchString(name) {
		return fmt.Errorf("service name %q is no RFC 1035 label: use 1 to 63 lower-case letters, digits and hyphens, starting with a letter and not ending in a hyphen", name)
	}
	return nil
}

// CheckOwner checks that an owner's id can stand in a label.
func CheckOwner(owner string) error {
	if !ownerID.MatchString(owner) {
		return fmt.Errorf("%q cannot stand in a label: give 1 to 63 letters, digits, dots, underscores and hyphens, starting with a letter or digit", owner)
	}
	return nil
}

// CheckLabels refuses labels under Sundog's own prefix.
func CheckLabels(labels map[string]string) error {
	for key := range labels {
		if strings.HasPrefix(key, LabelPrefix) {
			return fmt.Errorf("label %q is under %q, which Sundog keeps for itself: choose another prefix", key, LabelPrefix)
		}
	}
	return nil
}

// ParseID splits an enclave's id, backend/name.
func ParseID(id string) (backend, name string, err error) {
	backend, name, found := strings.Cut(id, "/")
	if !found || backend == "" || CheckName(name) != nil {
		return "", "", fmt.Errorf("%q is no enclave id: it has the form backend/name, for example docker/dev", id)
	}
	return backend, name, nil
}

// RunName makes a run's name out of a package's: its last segment, in the letters that a name may have.
func RunName(packageName string) string {
	segment := packageName[strings.LastIndex(packageName, "/")+1:]
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		default:
			return '-'
		}
	}, segment)
	name = strings.Trim(strings.TrimLeft(name, "0123456789-"), "-")
	if len(name) > 40 {
		name = strings.TrimRight(name[:40], "-")
	}
	if name == "" {
		return "run"
	}
	return name
}
