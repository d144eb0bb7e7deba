package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestS3Operation(t *testing.T) {
	t.Parallel()
	cases := []struct {
		method, target, header string
		want                   string
		read                   bool
	}{
		{"GET", "/?x-id=ListBuckets", "", "ListBuckets", true},
		{"GET", "/orders", "", "ListObjects", true},
		{"GET", "/orders/?list-type=2&prefix=a%2Fb", "", "ListObjectsV2", true},
		{"GET", "/orders?versions", "", "ListObjectVersions", true},
		{"GET", "/orders?uploads", "", "ListMultipartUploads", true},
		{"GET", "/orders?location", "", "GetBucketLocation", true},
		{"GET", "/orders?lifecycle=", "", "GetBucketLifecycleConfiguration", true},
		{"GET", "/orders?object-lock", "", "GetObjectLockConfiguration", true},
		{"GET", "/orders?metrics", "", "ListBucketMetricsConfigurations", true},
		{"GET", "/orders?metrics&id=all", "", "GetBucketMetricsConfiguration", true},
		{"GET", "/orders?session", "", "CreateSession", false},
		{"HEAD", "/orders", "", "HeadBucket", true},
		{"PUT", "/orders", "", "CreateBucket", false},
		{"PUT", "/orders?policy", "", "PutBucketPolicy", false},
		{"PUT", "/orders?metrics&id=all", "", "PutBucketMetricsConfiguration", false},
		{"DELETE", "/orders", "", "DeleteBucket", false},
		{"DELETE", "/orders?tagging", "", "DeleteBucketTagging", false},
		{"POST", "/orders?delete", "", "DeleteObjects", false},
		{"POST", "/orders", "", "PostObject", false},
		{"GET", "/orders/a/b.txt", "", "GetObject", true},
		{"GET", "/orders/a%20b?tagging", "", "GetObjectTagging", true},
		{"GET", "/orders/a?uploadId=1", "", "ListParts", true},
		{"HEAD", "/orders/a", "", "HeadObject", true},
		{"PUT", "/orders/a", "", "PutObject", false},
		{"PUT", "/orders/a", "/other/a", "CopyObject", false},
		{"PUT", "/orders/a?partNumber=1&uploadId=1", "", "UploadPart", false},
		{"PUT", "/orders/a?partNumber=1&uploadId=1", "/other/a", "UploadPartCopy", false},
		{"PUT", "/orders/a?retention", "", "PutObjectRetention", false},
		{"POST", "/orders/a?uploads", "", "CreateMultipartUpload", false},
		{"POST", "/orders/a?uploadId=1", "", "CompleteMultipartUpload", false},
		{"POST", "/orders/a?select&select-type=2", "", "SelectObjectContent", true},
		{"POST", "/orders/a?restore", "", "RestoreObject", false},
		{"DELETE", "/orders/a", "", "DeleteObject", false},
		{"DELETE", "/orders/a?uploadId=1", "", "AbortMultipartUpload", false},
		{"POST", "/orders/a?tagging", "", "POST ObjectTagging", false},
		{"PATCH", "/orders/a", "", "PATCH /orders/a", false},
		{"GET", "/v20180820/configuration/publicAccessBlock", "", "GetS3Control:configuration/publicAccessBlock", true},
		{"PUT", "/v20180820/configuration/publicAccessBlock", "", "PutS3Control:configuration/publicAccessBlock", false},
	}
	for _, c := range cases {
		t.Run(c.method+" "+c.target+" "+c.header, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), c.method, c.target, http.NoBody)
			if c.header != "" {
				r.Header.Set("X-Amz-Copy-Source", c.header)
			}
			got := operationOf(r, "s3", nil)
			if got != c.want {
				t.Errorf("operation %q, want %q", got, c.want)
			}
			if read := isRead(readTable(), "s3", got); read != c.read {
				t.Errorf("%s is a read: %v, want %v", got, read, c.read)
			}
		})
	}
}

func TestS3IgnoresNamesOfOtherProtocols(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/orders/a?Action=GetObject", http.NoBody)
	r.Header.Set("X-Amz-Target", "S3.GetObject")
	if got := operationOf(r, "s3", nil); got != "DeleteObject" {
		t.Errorf("a deletion was taken for %q", got)
	}
}
