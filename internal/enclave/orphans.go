package enclave

import (
	"context"
	"time"
)

// Orphan is what is left under the name of an enclave that is not there: of a removal, or of a making, that was cut off.
type Orphan struct {
	// Name of the enclave.
	Name  string
	Owner string // empty where no object tells
	// Objects in words, for example "network sundog-dev", sorted.
	Objects []string
	// CreatedAt is when the oldest of them was made.
	CreatedAt time.Time
}

// Tidy is a Backend that finds what no enclave needs any more. Where an enclave is one object that goes as a whole nothing
// can be left, so not every backend is one.
type Tidy interface {
	// Orphans lists them, sorted by name. An enclave that somebody is making is none, and neither is one that lacks a part
	// of itself and could be completed with its services and data.
	Orphans(ctx context.Context) ([]Orphan, error)
	// RemoveOrphan removes what is left under a name, unless an enclave of that name is there, is being made, or could be
	// completed. Nothing there is success.
	RemoveOrphan(ctx context.Context, name string) error
	// OrphanImages lists the images that were built for enclaves and that none uses any more; none while an apply is under
	// way that may have just built one.
	OrphanImages(ctx context.Context) ([]OrphanImage, error)
	// RemoveOrphanImage removes one, unless it is none any more.
	RemoveOrphanImage(ctx context.Context, id string) error
}

// OrphanImage is an image that was built for an enclave that is not there any more.
type OrphanImage struct {
	ID        string
	Names     []string // none for one whose name means another image by now
	CreatedAt time.Time
	Bytes     int64
}

// Title is how people know the image: its first name, or the beginning of its id.
func (i *OrphanImage) Title() string {
	if len(i.Names) > 0 {
		return i.Names[0]
	}
	const short = 19
	return i.ID[:min(short, len(i.ID))]
}

// Remaining is a Backend on which an enclave can lose a part of itself: whoever has it on record asks before it forgets it.
type Remaining interface {
	// Remains gives what there is under the name of an enclave that is not there or lacks a part of itself; nil if there is
	// nothing. What somebody is about to make is part of it.
	Remains(ctx context.Context, name string) (*Orphan, error)
}
