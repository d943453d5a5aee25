// The tests start processes of their own and wait for them: side by side they would only take the processor from each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
