package provider

import (
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

func TestMovedImageShowsOnlyWhenAskedFor(t *testing.T) {
	for policy, want := range map[string]string{"missing": "running", "always": "running (newer image)"} {
		t.Run(policy, func(t *testing.T) {
			f := newRunFixture(t, shop(nil))
			f.backend.PublishImage("registry.example.com/api:1", "first")
			config := runConfig(acctest.Values{"image": acctest.String("registry.example.com/api:1")})
			config["image_download"] = acctest.String(policy)
			state := f.apply(t, config, nil)
			before, err := f.backend.Service(t.Context(), "dev", "api")
			if err != nil {
				t.Fatal(err)
			}

			f.backend.PublishImage("registry.example.com/api:1", "second")
			refreshed, diagnostics := f.Read(t, runType, state)
			if text := acctest.Errors(diagnostics); text != "" {
				t.Fatal(text)
			}
			if got := acctest.Text(t, acctest.At(t, refreshed.Value, "services", "api", "status")); got != want {
				t.Errorf("after the image has moved on, api is %q, want %q", got, want)
			}
			// The plan asks nobody.
			f.closed = true
			planned := f.Plan(t, runType, config, refreshed)
			f.closed = false
			if got := planned.Value.Equal(refreshed.Value); got != (policy == "missing") {
				t.Errorf("whether the plan is empty: got %v", got)
			}

			after := f.apply(t, config, refreshed)
			found, err := f.backend.Service(t.Context(), "dev", "api")
			if err != nil {
				t.Fatal(err)
			}
			if replaced := found.ImageID != before.ImageID; replaced != (policy == "always") {
				t.Errorf("whether the service was replaced: got %v", replaced)
			}
			again, diagnostics := f.Read(t, runType, after)
			if text := acctest.Errors(diagnostics); text != "" {
				t.Fatal(text)
			}
			if !f.Plan(t, runType, config, again).Value.Equal(again.Value) {
				t.Error("the plan after the apply must be empty")
			}
		})
	}
}
