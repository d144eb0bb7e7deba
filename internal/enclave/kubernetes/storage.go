package kubernetes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// storageDefaults fills in from the environment what the options do not say of volumes.
func (o *Options) storageDefaults(getenv func(string) string) error {
	for variable, target := range map[string]*int64{
		"SUNDOG_KUBERNETES_STORAGE_SIZE_MB": &o.StorageSizeMB, "SUNDOG_KUBERNETES_ARTIFACT_STORAGE_MB": &o.ArtifactStorageMB,
	} {
		text := getenv(variable)
		if text == "" || *target != 0 {
			continue
		}
		size, err := strconv.ParseInt(text, 10, 64)
		if err != nil || size < 1 {
			return fmt.Errorf("%s is %q: give a number of megabytes", variable, text)
		}
		*target = size
	}
	modes := []string{string(corev1.ReadWriteOnce), string(corev1.ReadWriteMany), string(corev1.ReadWriteOncePod)}
	if o.AccessMode != "" && !slices.Contains(modes, o.AccessMode) {
		return fmt.Errorf("persistent directories cannot have the access mode %q: give one of %s", o.AccessMode, strings.Join(modes, ", "))
	}
	return nil
}
