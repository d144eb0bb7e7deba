package language

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// reservedLabels is the prefix of Sundog's own labels.
const reservedLabels = "sundog.dev/"

const (
	maxLabelKey   = 256
	maxLabelName  = 63
	maxLabelValue = 63
)

var (
	labelKey   = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$`)
)

// labelReason tells why a label is not one for both Docker and Kubernetes. Reserved keys are validation's business.
func labelReason(key, value string) string {
	switch {
	case strings.HasPrefix(key, reservedLabels):
		return ""
	case len(key) > min(maxLabelKey, maxLabelName) || !labelKey.MatchString(key):
		return fmt.Sprintf("key %q must be at most %d lower-case letters, digits, '.', '_' and '-', with a letter or digit at both ends", shorten(key), maxLabelName)
	case len(plan.FindRuntimeValues(value)) > 0:
		return "" // What it will be is not known yet.
	case len(value) > maxLabelValue || !labelValue.MatchString(value):
		return fmt.Sprintf("value %q of key %q must be at most %d letters, digits, '.', '_' and '-', with a letter or digit at both ends", shorten(value), key, maxLabelValue)
	}
	return ""
}
