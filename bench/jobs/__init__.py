"""What jobs cost beside other queues on the same store, and what becomes of them when workers are killed."""
