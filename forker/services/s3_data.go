package services

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

const (
	// s3Sample is how many objects a sample has without a limit of its own.
	s3Sample = 1000
	// s3InMemory is up to which size an object is held in memory on its way; larger ones pass through a file.
	s3InMemory = 4 << 20
)

// s3Object is one object on its way from production into a copy. Open is called once.
type s3Object struct {
	key         string
	size        int64
	contentType *string
	encoding    *string
	cache       *string
	metadata    map[string]string
	body        io.ReadCloser
}

// exportObjects streams objects. A sample takes the keys with the smallest hashes: a random choice that is the same at
// every apply, and that a new object changes by one key at most.
func exportObjects(
	ctx context.Context, client s3Reader, scope descriptor.Scope, item descriptor.Item, request descriptor.DataRequest,
) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		limit := request.Limit
		if limit == 0 && request.Mode == descriptor.DataSample {
			limit = s3Sample
		}
		keys := listKeys(ctx, client, scope, item.Name)
		if limit > 0 {
			keys = sampleKeys(keys, limit)
		}
		for key, err := range keys {
			if err != nil {
				yield(nil, fmt.Errorf("list the objects of bucket %s: %w", item.Name, err))
				return
			}
			object, err := openObject(ctx, client, scope, item.Name, key)
			if !yield(object, err) || err != nil {
				return
			}
		}
	}
}

// listKeys streams the keys of objects that can be read at once; archived ones would have to be restored first, which
// is a write in production.
func listKeys(ctx context.Context, client s3Reader, scope descriptor.Scope, bucket string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{
			Bucket: aws.String(bucket), ExpectedBucketOwner: aws.String(scope.AccountID),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield("", err)
				return
			}
			for _, object := range page.Contents {
				if object.StorageClass == types.ObjectStorageClassGlacier || object.StorageClass == types.ObjectStorageClassDeepArchive {
					continue
				}
				if !yield(aws.ToString(object.Key), nil) {
					return
				}
			}
		}
	}
}

type hashedKey struct {
	hash uint64
	key  string
}

// greatestFirst keeps the key to give up next on top.
type greatestFirst []hashedKey

func (h greatestFirst) Len() int { return len(h) }
func (h greatestFirst) Less(i, j int) bool {
	if h[i].hash != h[j].hash {
		return h[i].hash > h[j].hash
	}
	return h[i].key > h[j].key
}
func (h greatestFirst) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push and Pop are asked by container/heap alone.
func (h *greatestFirst) Push(value any) {
	if key, ok := value.(hashedKey); ok {
		*h = append(*h, key)
	}
}

// Pop takes the last element.
func (h *greatestFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// sampleKeys holds no more keys than the sample has.
func sampleKeys(keys iter.Seq2[string, error], limit int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var kept greatestFirst
		for key, err := range keys {
			if err != nil {
				yield("", err)
				return
			}
			sum := fnv.New64a()
			_, _ = io.WriteString(sum, key)
			heap.Push(&kept, hashedKey{hash: sum.Sum64(), key: key})
			if len(kept) > limit {
				heap.Pop(&kept)
			}
		}
		slices.SortFunc(kept, func(a, b hashedKey) int { return strings.Compare(a.key, b.key) })
		for _, key := range kept {
			if !yield(key.key, nil) {
				return
			}
		}
	}
}

func openObject(ctx context.Context, client s3Reader, scope descriptor.Scope, bucket, key string) (*s3Object, error) {
	output, err := client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(key), ExpectedBucketOwner: aws.String(scope.AccountID),
	})
	if err != nil {
		return nil, fmt.Errorf("read object %q of bucket %s: %w", key, bucket, err)
	}
	return &s3Object{
		key: key, size: aws.ToInt64(output.ContentLength), contentType: output.ContentType, encoding: output.ContentEncoding,
		cache: output.CacheControl, metadata: output.Metadata, body: output.Body,
	}, nil
}

func importObjects(
	ctx context.Context, client s3Writer, target descriptor.Target, records iter.Seq2[any, error],
) (int, error) {
	count := 0
	for record, err := range records {
		if err != nil {
			return count, err
		}
		object, ok := record.(*s3Object)
		if !ok {
			return count, fmt.Errorf("write objects into bucket %s: a record of an unknown kind", target.Name)
		}
		if err := putObject(ctx, client, target, object); err != nil {
			return count, fmt.Errorf("write object %q into bucket %s: %w", object.key, target.Name, err)
		}
		count++
	}
	return count, nil
}

// putObject writes one object. The request's signature needs the content twice, so it is kept: small ones in memory,
// large ones in a file.
func putObject(ctx context.Context, client s3Writer, target descriptor.Target, object *s3Object) (err error) {
	defer func() { _ = object.body.Close() }()
	var body io.ReadSeeker
	if object.size <= s3InMemory {
		content, err := io.ReadAll(object.body)
		if err != nil {
			return err
		}
		body = bytes.NewReader(content)
	} else {
		file, err := os.CreateTemp("", "sundog-object-*")
		if err != nil {
			return err
		}
		defer func() {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}()
		if _, err := io.Copy(file, object.body); err != nil {
			return err
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		body = file
	}
	_, err = client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(target.Name), Key: aws.String(object.key), ExpectedBucketOwner: aws.String(target.AccountID),
		Body: body, ContentType: object.contentType, ContentEncoding: object.encoding, CacheControl: object.cache,
		Metadata: object.metadata,
	})
	return err
}
