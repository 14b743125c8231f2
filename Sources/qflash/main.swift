print("qflash")
