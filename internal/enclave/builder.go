package enclave

import (
	"context"
	"io"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// ImageBuilder builds images for backends that cannot build any themselves.
type ImageBuilder interface {
	// BuildDigest covers all that an image is built of. It asks nobody.
	BuildDigest(build *plan.Build) (string, error)
	// PushImage builds an image for machines of an architecture and pushes it as reference, which has a tag, with the user's
	// credentials. It gives the digest under which the registry has it.
	PushImage(ctx context.Context, image plan.Image, architecture, reference string) (digest string, err error)
	// SaveImage builds an image likewise and writes it as an archive in which it is called reference.
	SaveImage(ctx context.Context, image plan.Image, architecture, reference string, archive io.Writer) error
}

// ImageChecker is a Backend that can tell that it has no way to an image before anything is made, without asking anybody.
type ImageChecker interface {
	// CheckImage fails with an *ImageError.
	CheckImage(image plan.Image) error
}
