module edgeutils/cloudcore

go 1.21
