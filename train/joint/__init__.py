"""Joint training of chat and video model (Sec. 4.2): the parts of train_lgvi_i."""
