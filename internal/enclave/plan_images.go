package enclave

import "context"

// imagesKey is the key under which a context carries images.
type imagesKey struct{}

// WithImages gives a context that names images which EnsureImage has made ready for the same plan. A backend that keeps
// something in a process of its own, for which it brings no image along, runs it in one of them.
func WithImages(ctx context.Context, images []Image) context.Context {
	return context.WithValue(ctx, imagesKey{}, images)
}

// ImagesOf gives the images that a context names.
func ImagesOf(ctx context.Context) []Image {
	images, _ := ctx.Value(imagesKey{}).([]Image)
	return images
}
