"""What a terminal shows of a running trader; nothing here touches the loop's timing."""
