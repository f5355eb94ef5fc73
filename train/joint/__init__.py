"""Joint training of the chat model and the video model (Sec. 4.2), for `train_lgvi_i`."""
