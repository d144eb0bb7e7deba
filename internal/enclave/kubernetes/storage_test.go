package kubernetes

import "testing"

func TestEnvironmentSaysHowVolumesAre(t *testing.T) {
	t.Parallel()
	environment := map[string]string{
		"SUNDOG_KUBERNETES_STORAGE_ACCESS_MODE": "ReadWriteMany", "SUNDOG_KUBERNETES_STORAGE_SIZE_MB": "7", "SUNDOG_KUBERNETES_ARTIFACT_STORAGE_MB": "8",
	}
	getenv := func(name string) string { return environment[name] }
	options, err := Options{StorageSizeMB: 5}.Default(getenv)
	must(t, err)
	if options.StorageSizeMB != 5 || options.ArtifactStorageMB != 8 || options.AccessMode != "ReadWriteMany" {
		t.Errorf("got %+v", options)
	}
	for variable, value := range map[string]string{"SUNDOG_KUBERNETES_STORAGE_ACCESS_MODE": "ReadMostly", "SUNDOG_KUBERNETES_STORAGE_SIZE_MB": "-3"} {
		environment = map[string]string{variable: value}
		_, err = Options{}.Default(getenv)
		mentions(t, err, value)
	}
}
